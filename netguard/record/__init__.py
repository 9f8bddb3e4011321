"""What a line of the trail is and how lines are chained: the same in a supervisor and in a guest without one."""


class NotRecorded(Exception):
    """A line is not on record whole: what stands behind it must not happen."""
