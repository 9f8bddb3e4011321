"""Opens the trail of a supervisor: the chain of a run on a file or a descriptor, with all that hides credentials."""

from __future__ import annotations

import time

from netguard.errors import TrailError
from netguard.record import chain as chains
from netguard.record.chain import MAX_BYTES
from netguard.trail import encoder
from netguard.trail.redact import Redactor
from netguard.trail.sink import FileSink, StreamSink, open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Writer(chains.Writer):
    """One run's chain of lines in a supervisor: what goes wrong is an error that a person may read."""

    failure = TrailError

    def __init__(
        self,
        sink: FileSink | StreamSink,
        run: str,
        *,
        redactor: Redactor | None = None,
        chain: str = "",
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], int] = time.time_ns,
        mono: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(
            sink, run, redactor or Redactor(), chain=chain, max_bytes=max_bytes, clock=clock, mono=mono
        )

    @property
    def watched(self) -> bool:
        """Whether somebody else's hand on the file would be noticed: true for files, not for streams."""
        return isinstance(self.sink, FileSink)


def open_trail(
    path: str,
    run: str,
    *,
    redactor: Redactor | None = None,
    chain: str = "",
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], int] = time.time_ns,
    mono: Callable[[], int] = time.monotonic_ns,
    warm: bool = True,
) -> Writer:
    """A writer on the file at `path`, made if it is not there (0600); another run's trail is added to.

    warm: import the fast encoder now. With False the caller promises to call `encoder.warm()` before guest code runs,
          and may meanwhile write lines, more slowly; it hides 15-25 ms behind the guest's own start.
    Raises TrailError as `sink.open_file` does.
    """
    if warm:
        encoder.warm()
    sink = open_file(path)
    try:
        return Writer(sink, run, redactor=redactor, chain=chain, max_bytes=max_bytes, clock=clock, mono=mono)
    except BaseException:
        sink.close()
        raise


def open_stream(
    fd: int,
    run: str,
    *,
    redactor: Redactor | None = None,
    chain: str = "",
    max_bytes: int = MAX_BYTES,
    clock: Callable[[], int] = time.time_ns,
    mono: Callable[[], int] = time.monotonic_ns,
    warm: bool = True,
) -> Writer:
    """A writer on a descriptor that somebody handed over: `--log -`, `--log-fd N`. It is not closed at the end.

    Raises TrailError if it is not open.
    """
    if warm:
        encoder.warm()
    try:
        sink = StreamSink(fd)
    except OSError as error:
        raise TrailError(f"descriptor {fd} cannot carry a trail: {error.strerror}") from error
    return Writer(sink, run, redactor=redactor, chain=chain, max_bytes=max_bytes, clock=clock, mono=mono)
