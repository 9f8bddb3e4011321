"""What witnesses announce: which code is about to make which call, and how one that did not end at once has ended.

A note wakes nobody: the call that follows it does, a moment later, or the next second. So a note costs the guest one
`send`, and us one `recv` when we want it. It is the guest's word: it adds what the kernel cannot know, and gives no
right.
"""

from __future__ import annotations

import _socket as socket
import select

from netguard.core.address import format_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.seccomp.arguments import Wanted

#: Bytes of a note that is kept; those of real acts have some 300.
MAX_NOTE = 4_096

#: Notes that are read at one time. More than one waits where threads are about to call, or where a call was not made.
MAX_HEARD = 256

#: Notes kept of one process: of its threads, and of the destinations of its datagrams.
MAX_KEPT = 1_024

#: Notes kept of all processes together: some 300 bytes each, as long as nobody makes them longer.
MAX_ALL = 16_384

#: Notes read in one second that belong to no call: of those in the sockets' buffers the others wait for their turn.
MAX_A_SECOND = 4_096

#: Sockets of one process: two threads may open one at the same moment.
MAX_SOCKETS = 4

#: Where in a note's texts stand the thread, the kind, the protocol, host and port (`core/question.py`).
TID, KIND, PROTO, HOST, PORT = 1, 2, 4, 5, 6

#: How the other kind of note begins: how the call ended that the thread has last announced.
ENDED = b"ended\0"


class Note:
    """One note as it came, and its beginning, which says what it is about: the same for the same act."""

    __slots__ = ("about", "datagram", "text", "tid")

    def __init__(self, text: bytes) -> None:
        parts = text.split(b"\0", PORT + 1)
        if len(parts) < PORT + 2 or parts[0] != b"note":
            parts = [b""] * (PORT + 2)  # nobody makes such a call
        self.text = text
        self.tid = parts[TID]
        self.datagram = parts[PROTO] == b"udp"
        host = b"" if parts[PROTO] == b"unix" else parts[HOST]
        self.about = b"%b %b %b %b" % (parts[KIND], parts[PROTO], host, parts[PORT])


class Witness:
    """One process's notes. read: what makes a Note of its text. told: hears how a call has ended."""

    __slots__ = ("calls", "datagrams", "pid", "read", "sockets", "told")

    def __init__(self, pid: int, read: Callable[[bytes], Note], told: Callable[[int, bytes], None]) -> None:
        self.pid = pid
        self.read = read
        self.told = told
        self.sockets: list[socket.socket] = []
        self.calls: dict[bytes, Note] = {}  # the thread -> what it does next
        self.datagrams: dict[bytes, Note] = {}  # where to -> who sends there

    def said(self, tid: bytes, about: bytes, datagram: bool, room: bytearray) -> bytes:
        """The note about this call, b"" where there is none. Of a stream each note is for one call; a datagram's serves
        for all that go there."""
        for sock in self.sockets:
            for _ in range(MAX_HEARD):
                if not self.hear(sock, room):
                    break
                note = self.calls.get(tid)
                if note is not None and note.about == about:
                    del self.calls[tid]
                    return note.text  # what is behind it is another call's
        note = self.datagrams.get(about) if datagram else self.calls.get(tid)
        if note is None or note.about != about:
            return b""
        if not datagram:
            del self.calls[tid]
        return note.text

    def hear(self, sock: socket.socket, room: bytearray) -> bool:
        """Reads one note; returns whether there was one."""
        try:
            length = sock.recv_into(room)
        except OSError:
            return False
        if 0 < length <= MAX_NOTE:
            text = bytes(memoryview(room)[:length])
            if text.startswith(ENDED):
                self.told(self.pid, text)
            else:
                self.keep(self.read(text))
        return length > 0

    def forget(self) -> None:
        """Lets go of all notes."""
        self.calls.clear()
        self.datagrams.clear()

    def keep(self, note: Note) -> None:
        """Keeps a note for the call that it announces."""
        kept, key = (self.datagrams, note.about) if note.datagram else (self.calls, note.tid)
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[key] = note

    def hear_all(self, room: bytearray) -> int:
        """Reads what has been said up to now; returns how much that was."""
        heard = 0
        for sock in self.sockets:
            for _ in range(MAX_HEARD):
                if not self.hear(sock, room):
                    break
                heard += 1
        return heard


class Notes:
    """All processes' notes. poll: where an end of a socket is told; what is said in one is not. told: see Witness."""

    def __init__(self, poll: select.epoll, told: Callable[[int, bytes], None]) -> None:
        self.poll = poll
        self.told = told
        self.known: dict[int, Witness] = {}  # by pid
        self.owners: dict[int, int] = {}  # our descriptor -> pid
        self.room = bytearray(MAX_NOTE + 1)
        self.about: dict[tuple[str, str, tuple[int, int] | None, int | None], bytes] = {}
        self.texts: dict[bytes, Note] = {}

    def open(self, pid: int) -> socket.socket | None:
        """A new socket for a process's notes; returns its end of it, None when there is no room."""
        witness = self.known.get(pid) or Witness(pid, self.read, self.told)
        if len(witness.sockets) >= MAX_SOCKETS:
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None
        ours.setblocking(False)
        self.known[pid] = witness
        witness.sockets.append(ours)
        self.owners[ours.fileno()] = pid
        self.poll.register(ours, select.EPOLLRDHUP)
        return theirs

    def of(self, pid: int, tid: int, wanted: Wanted) -> bytes:
        """What the witness said of this call, b"" when nothing."""
        witness = self.known.get(pid)
        if witness is None:
            return b""
        return witness.said(b"%d" % tid, self.about_of(wanted), wanted.proto == "udp", self.room)

    def hear(self) -> None:
        """Reads what everybody has said up to now, so far as there is time; who was heard comes last the next time."""
        heard = 0
        for pid, witness in list(self.known.items()):
            heard += witness.hear_all(self.room)
            self.known[pid] = self.known.pop(pid)
            if heard >= MAX_A_SECOND:
                break
        if sum([len(witness.calls) + len(witness.datagrams) for witness in self.known.values()]) > MAX_ALL:
            for witness in self.known.values():
                witness.forget()

    def read(self, text: bytes) -> Note:
        """The note of this text. Remembered likewise: a line of code that connects in a loop says it each time."""
        note = self.texts.get(text)
        if note is None:
            if len(self.texts) >= MAX_KEPT:
                self.texts.clear()
            note = self.texts[text] = Note(text)
        return note

    def about_of(self, wanted: Wanted) -> bytes:
        """How a note that is about this call begins. Remembered: the same few come again and again."""
        key = wanted.kind, wanted.proto, wanted.where, wanted.port
        found = self.about.get(key)
        if found is None:
            host = "" if wanted.where is None else format_ip(wanted.where)
            port = "" if wanted.port is None else str(wanted.port)
            if len(self.about) >= MAX_KEPT:
                self.about.clear()
            found = self.about[key] = f"{wanted.kind} {wanted.proto} {host} {port}".encode()
        return found

    def end(self, fd: int) -> None:
        """The process has closed that socket, or is gone."""
        pid = self.owners.pop(fd)
        self.poll.unregister(fd)
        witness = self.known[pid]
        witness.hear_all(self.room)
        for sock in [sock for sock in witness.sockets if sock.fileno() == fd]:
            witness.sockets.remove(sock)
            sock.close()
        if not witness.sockets:
            del self.known[pid]
