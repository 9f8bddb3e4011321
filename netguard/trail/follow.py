"""Reads a trail while it grows, or a stream of lines: each call gives the records that are new. It never writes.

Only whole lines are taken up: what stands behind the last line feed waits for its rest. One call reads a bounded piece,
so that a reader with other things to do (keys, a screen) gets to them however long the trail is.
"""

from __future__ import annotations

import os
import select
import stat

from netguard.errors import TrailError
from netguard.record.line import MAX_LINE
from netguard.trail.encoder import parse, warm

#: Bytes that one call reads at most: at 700 bytes a line some 750 lines, which are told in about 20 ms.
PIECE = 1 << 19

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Follow:
    """One trail that is being read.

    path:       the file; it may not be there yet.
    start:      begin at this byte.
    unreadable: lines that were none of a trail: no JSON object, or over-long.
    behind:     the last call left something to be read at once.
    ended:      a stream that will give no more. A file never ends: it may always grow.
    shrunk:     the file is shorter than what was read of it: somebody cut it.
    """

    def __init__(self, path: str, *, start: int = 0) -> None:
        warm()  # imports, so it must happen before a guest could put a module where Python looks
        self.path = path
        self.fd = -1
        self.at = start
        self.rest = b""
        self.skipping = False
        self.is_stream = False
        self.unreadable = 0
        self.behind = self.ended = self.shrunk = False

    def more(self) -> list[tuple[dict[str, object], int]]:
        """The records that are new, each with the length of its line. Raises TrailError for what cannot be read."""
        try:
            data = self.read()
        except OSError as error:
            raise TrailError(f"cannot read the trail {self.path}: {error.strerror}") from error
        found = []
        for line in self.whole(data):
            record = parse(line) if len(line) < MAX_LINE else None
            if record is None:
                self.unreadable += 1
            else:
                found.append((record, len(line)))
        return found

    def read(self) -> bytes:
        """The next piece, b"" if there is none now."""
        self.behind = False
        if self.fd < 0 and not self.open():
            return b""
        if self.is_stream:
            return self.read_stream()
        data = os.pread(self.fd, PIECE, self.at)
        self.at += len(data)
        self.behind = len(data) == PIECE
        if not data:
            self.shrunk = self.shrunk or os.fstat(self.fd).st_size < self.at
        return data

    def read_stream(self) -> bytes:
        """What a pipe has. O_NONBLOCK is not set on it: a descriptor that was handed over is shared with others."""
        if self.ended or not select.select([self.fd], [], [], 0)[0]:
            return b""
        data = os.read(self.fd, PIECE)
        self.ended = not data
        self.behind = bool(data)
        return data

    def open(self) -> bool:
        """Whether the file is there by now."""
        try:
            self.fd = os.open(self.path, FLAGS) if self.path != "-" else os.dup(0)
        except FileNotFoundError:
            return False
        mode = os.fstat(self.fd).st_mode
        if stat.S_ISDIR(mode):
            raise TrailError(f"{self.path} is a folder; a trail is a file, such as trail.jsonl in a run's folder")
        self.is_stream = not stat.S_ISREG(mode)
        return True

    def whole(self, data: bytes) -> list[bytes]:
        """The whole lines up to here, without their line feeds."""
        if not data:
            return []
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        if self.skipping and lines:
            self.skipping = False
            del lines[0]
        if self.skipping or len(self.rest) >= MAX_LINE:
            self.unreadable += not self.skipping
            self.skipping, self.rest = True, b""
        return [line for line in lines if line]

    @property
    def left(self) -> int:
        """Bytes of a file that are still to be read."""
        return 0 if self.is_stream or self.fd < 0 else max(0, os.fstat(self.fd).st_size - self.at)

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
