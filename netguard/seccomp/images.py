"""What the kernel opens to start a program besides its file: the interpreter that a script names in its first line, the
loader that an ELF file names. It is read as the kernel reads it, and nothing is opened but to read."""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many files one start may lead to: the kernel follows five scripts.
MAX_DEPTH = 6

#: Bytes of a file that are looked at, and of them those that hold a script's first line (BINPRM_BUF_SIZE).
HEAD_BYTES, LINE_BYTES = 2_048, 256

#: Of <elf.h>: a 64-bit file that begins with the lower bytes; where the table of its parts is, how long a row is and
#: how many there are; what a row says, where that part is and how long; the kind of row that names a loader.
_ELF = b"\x7fELF\x02\x01"
_HEADER, _ROW, _LOADER = struct.Struct("<32xQ14xHH"), struct.Struct("<I4xQ16xQ"), 3

#: Rows that are looked at, and bytes of a loader's path.
MAX_ROWS, MAX_PATH = 128, 4_096


def chain(path: str) -> Iterator[str]:
    """A program's path, and those of all that is opened to start it; up to one that is not there, or not readable."""
    for _ in range(MAX_DEPTH):
        yield path
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            path = os.fsdecode(interpreter(fd))
        except OSError:
            return
        finally:
            os.close(fd)
        if not path:
            return


def interpreter(fd: int) -> bytes:
    """What an open file names that is to be opened next, b"" for nothing. Raises OSError."""
    head = os.pread(fd, HEAD_BYTES, 0)
    if head.startswith(b"#!"):
        words = head[2:LINE_BYTES].split(b"\n", 1)[0].replace(b"\t", b" ").split(b"\0", 1)[0].split()
        return words[0] if words else b""
    return _loader(fd, head) if head.startswith(_ELF) and len(head) >= _HEADER.size else b""


def _loader(fd: int, head: bytes) -> bytes:
    """The loader of an ELF file, b"" for one that needs none."""
    table, size, rows = _HEADER.unpack_from(head)
    if size < _ROW.size or table > 1 << 40:
        return b""
    data = os.pread(fd, size * min(rows, MAX_ROWS), table)
    for at in range(0, len(data) - _ROW.size + 1, size):
        kind, place, length = _ROW.unpack_from(data, at)
        if kind == _LOADER:
            return os.pread(fd, min(length, MAX_PATH), min(place, 1 << 40)).split(b"\0", 1)[0]
    return b""
