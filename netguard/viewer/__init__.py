"""Puts the live view on a person's terminal: its mode, its keys, a run that goes on below it. It decides nothing."""
