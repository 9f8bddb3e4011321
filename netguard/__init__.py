"""netguard: see and control every network request that Python code makes, without changing that code."""

from netguard.denied import Denied

__all__ = ["Denied", "__version__"]

__version__ = "0.1.0"
