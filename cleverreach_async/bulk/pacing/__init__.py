"""How many requests are in flight, and how many rows go per second."""
