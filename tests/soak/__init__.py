"""The long trials of a run: great numbers, and an hour of everything at once. `python -m tests.soak --help`."""
