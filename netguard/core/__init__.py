"""The pure core: what a request is, what a policy says, what follows. It does no I/O and imports nothing."""
