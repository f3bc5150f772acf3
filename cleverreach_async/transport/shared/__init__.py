"""A gate that several processes share through Redis, and what a process does without Redis."""
