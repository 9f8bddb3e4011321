"""Which library made a call: the file whose code a thread was in, as its stack and its memory's map say.

Both are the guest's own to write, so this names honest code and is nobody's right to anything. It may be asked only
while the call waits, and never raises for what it finds: what cannot be told is "".

    the calling address ─┬ in a library, or in the program itself ─▶ that
                         └ in the C library ─ the stack's words, from its top ─▶ the first that lies in other code
"""

from __future__ import annotations

import os
from _bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.callers import Caller

#: Bytes of a stack that are looked at: a wrapper of the C library has less than a hundred of its own.
STACK = 4096

#: Bytes of a map that are read. A large program has a thousand mappings of a hundred bytes; a guest that makes the
#: 65,530 that the kernel lets it have must not have us read them all, and its library is then not told.
MAX_MAP = 1 << 19

#: Words of a stack that lie in no mapping and are known to: each would have the map read anew.
MAX_ABSENT = 256

#: Where addresses of a process may be: above what is never mapped, below the kernel's half.
LOWEST, HIGHEST = 1 << 16, 1 << 47

#: How the files' names begin that stand between a caller and the kernel: the C library, its parts and its loader.
BETWEEN = ("libc.so", "libc-2.", "ld-", "libpthread", "libresolv")

#: How the kernel names memory that several processes share and that lies in no file.
NO_FILE = b"/dev/zero"


class Map:
    """The mappings of a process, as they were when they were read: where each begins and ends, and the file whose code
    is in it, "" for what is none."""

    __slots__ = ("absent", "begins", "ends", "files")

    def __init__(self, text: bytes) -> None:
        self.begins: list[int] = []
        self.ends: list[int] = []
        self.files: list[str] = []
        self.absent: set[int] = set()
        for line in text.split(b"\n")[:-1]:
            place, rights, _, _, inode, *path = line.split(None, 5)
            begin, _, end = place.partition(b"-")
            self.begins.append(int(begin, 16))
            self.ends.append(int(end, 16))
            name = path[0].removesuffix(b" (deleted)") if path and b"x" in rights and inode != b"0" else b""
            self.files.append(os.fsdecode(name) if name != NO_FILE else "")

    def find(self, address: int) -> str | None:
        """The file whose code lies at an address; "" where there is other memory, None where there is none."""
        at = bisect_right(self.begins, address) - 1
        return self.files[at] if at >= 0 and address < self.ends[at] else None


def caller_of(caller: Caller, at: int) -> str:
    """The path of the library, or of the program, whose code made the call that this thread waits in.

    at: the address that it was made from. Raises nothing; "" where it cannot be told.
    """
    try:
        return _Search(caller).find(at)
    except (OSError, ValueError):
        return ""


class _Search:
    """One search. The map is kept with the thread, and read once more where an address is not in it: a library has
    been loaded since."""

    __slots__ = ("caller", "fresh", "map")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.fresh = not isinstance(caller.map, Map)
        self.map = caller.map if isinstance(caller.map, Map) else self._read()

    def find(self, at: int) -> str:
        """The first file, from the calling address down the stack, that is not the C library's."""
        found = self._code(at)
        if found:
            return found
        stack = self.caller.read_some(_stack_of(self.caller.tid), STACK)
        for word in memoryview(stack)[: len(stack) & ~7].cast("Q"):
            if LOWEST <= word < HIGHEST:
                found = self._code(word)
                if found:
                    return found
        return ""

    def _code(self, address: int) -> str:
        """The file whose code lies there, "" for what is none or stands between."""
        found = self.map.find(address)
        if found is None and not self.fresh and address not in self.map.absent:
            self.map, self.fresh = self._read(), True
            found = self.map.find(address)
        if found is None:
            if len(self.map.absent) < MAX_ABSENT:
                self.map.absent.add(address)
            return ""
        return "" if found[found.rfind("/") + 1 :].startswith(BETWEEN) else found

    def _read(self) -> Map:
        self.caller.map = found = Map(_text_of(self.caller.tid))
        return found


def _stack_of(tid: int) -> int:
    """Where the stack of a thread ends that waits in a call: proc_pid_syscall(5). Raises OSError, ValueError."""
    fd = os.open(f"/proc/{tid}/syscall", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fields = os.read(fd, 256).split()
    finally:
        os.close(fd)
    if len(fields) != 9:
        raise ValueError("it waits in no call")
    return int(fields[7], 16)


def _text_of(tid: int) -> bytes:
    """A thread's map as the kernel writes it, whole lines. Raises OSError: gone, or not ours to look into; ValueError
    where it is too long."""
    fd = os.open(f"/proc/{tid}/maps", os.O_RDONLY | os.O_CLOEXEC)
    pieces, room = [], MAX_MAP
    try:
        while piece := os.read(fd, room):
            pieces.append(piece)
            room -= len(piece)
            if not room:
                raise ValueError("a map that is too long")
    finally:
        os.close(fd)
    return b"".join(pieces)
