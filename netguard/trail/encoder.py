"""The fast encoder, decoder and hash of a supervisor, brought once a run is long enough to be worth their import.

`orjson` takes 0.5 us a line but 15-25 ms to import. `warm` imports, so it must run before guest code does: the guest
may be able to write where Python looks for modules.
"""

from __future__ import annotations

from netguard.record.line import Tools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Decoder:
    """What reads a line; None before `warm`."""

    loads: Callable[[bytes], object] | None = None


def warm() -> None:
    """Import the fast encoder and hash. Call it before guest code can run, never later."""
    if Decoder.loads is not None:
        return
    import hashlib  # OpenSSL's is three times as fast where the CPU has SHA instructions

    Tools.digest = staticmethod(hashlib.sha256)
    try:
        import orjson
    except ImportError:  # a broken installation: slower, but right
        import json

        Decoder.loads = staticmethod(json.loads)
        return
    Tools.dumps = staticmethod(orjson.dumps)
    Decoder.loads = staticmethod(orjson.loads)
    Tools.fragment = orjson.Fragment


def parse(body: bytes) -> dict[str, object] | None:
    """The object on a line, or None where there is none. Total: any bytes."""
    warm()
    try:
        value = Decoder.loads(body) if Decoder.loads else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
