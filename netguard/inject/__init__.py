"""What surrounds a guard without a supervisor: its variables, its place in an environment, and whether it is there."""
