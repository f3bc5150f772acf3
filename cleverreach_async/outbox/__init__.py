"""Live orders that survive crash, outage and lost answers, in the user's own database."""
