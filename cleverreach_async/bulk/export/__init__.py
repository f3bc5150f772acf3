"""Write all receivers of a group to a file."""
