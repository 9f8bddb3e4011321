"""What witnesses announce: which code is about to make which call. It waits in the sockets until the call is there.

A note wakes nobody: the call that follows it does, a moment later. So a note costs the guest one `send`, and us one
`recv` when we want it. It is the guest's word: it adds what the kernel cannot know, and gives no right.
"""

from __future__ import annotations

import _socket as socket
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.seccomp.arguments import Wanted

#: Bytes of a note that is kept; those of real acts have some 300.
MAX_NOTE = 4_096

#: Notes that are read at one time. More than one waits where threads are about to call, or where a call was not made.
MAX_HEARD = 256

#: Notes kept of one process: of its threads, and of the destinations of its datagrams.
MAX_KEPT = 1_024

#: Sockets of one process: two threads may open one at the same moment.
MAX_SOCKETS = 4

#: Where in a note's texts stand the thread, the kind, the protocol, host and port (`core/question.py`).
TID, KIND, PROTO, HOST, PORT = 1, 2, 4, 5, 6


class Witness:
    """One process's notes."""

    __slots__ = ("calls", "datagrams", "sockets")

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.calls: dict[bytes, bytes] = {}  # the thread -> what it does next
        self.datagrams: dict[bytes, bytes] = {}  # host and port -> who sends there

    def hear(self, room: bytearray) -> None:
        """Reads what was said since."""
        for sock in self.sockets:
            for _ in range(MAX_HEARD):
                try:
                    length = sock.recv_into(room)
                except OSError:
                    break
                if not length:
                    break
                if length <= MAX_NOTE:
                    self.keep(bytes(room[:length]))

    def keep(self, note: bytes) -> None:
        """Keeps a note for the call that it announces."""
        texts = note.split(b"\0", PORT + 1)
        if len(texts) <= PORT + 1 or texts[0] != b"note":
            return
        kept, key = self.calls, texts[TID]
        if texts[PROTO] == b"udp":
            kept, key = self.datagrams, b"%b %b %b" % (texts[KIND], texts[HOST], texts[PORT])
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[key] = note

    def said(self, tid: bytes, wanted: Wanted, host: bytes, port: bytes) -> bytes:
        """The note about this call, b"" where there is none. Of a stream each note is for one call; a datagram's serves
        for all that go there."""
        if wanted.proto == "udp":
            return self.datagrams.get(b"%b %b %b" % (wanted.kind.encode(), host, port), b"")
        note = self.calls.get(tid, b"")
        if not note:
            return b""
        texts = note.split(b"\0", PORT + 1)
        if texts[KIND] != wanted.kind.encode() or texts[PROTO] != wanted.proto.encode():
            return b""
        if wanted.proto != "unix" and texts[HOST : PORT + 1] != [host, port]:
            return b""
        del self.calls[tid]
        return note


class Notes:
    """All processes' notes. poll: where an end of a socket is told; what is said in one is not."""

    def __init__(self, poll: select.epoll) -> None:
        self.poll = poll
        self.known: dict[int, Witness] = {}  # by pid
        self.owners: dict[int, int] = {}  # our descriptor -> pid
        self.room = bytearray(MAX_NOTE + 1)

    def open(self, pid: int) -> socket.socket | None:
        """A new socket for a process's notes; returns its end of it, None when there is no room."""
        witness = self.known.setdefault(pid, Witness())
        if len(witness.sockets) >= MAX_SOCKETS:
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None
        ours.setblocking(False)
        witness.sockets.append(ours)
        self.owners[ours.fileno()] = pid
        self.poll.register(ours, select.EPOLLRDHUP)
        return theirs

    def of(self, pid: int, tid: int, wanted: Wanted, host: str, port: str) -> bytes:
        """What the witness said of this call, b"" when nothing."""
        witness = self.known.get(pid)
        if witness is None:
            return b""
        witness.hear(self.room)
        return witness.said(b"%d" % tid, wanted, host.encode(), port.encode())

    def end(self, fd: int) -> None:
        """The process has closed that socket, or is gone."""
        pid = self.owners.pop(fd)
        self.poll.unregister(fd)
        witness = self.known[pid]
        for sock in [sock for sock in witness.sockets if sock.fileno() == fd]:
            witness.sockets.remove(sock)
            sock.close()
        if not witness.sockets:
            del self.known[pid]
