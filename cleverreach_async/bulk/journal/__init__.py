"""Import state that outlives the process."""
