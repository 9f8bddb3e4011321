"""One open connection of the channel: a thread of a process of the guest's, as the kernel attests it.

A peer and not its descriptor's number is what an answer is sent to: the number of a closed connection is given to the
next one, which must not hear what another asked.
"""

from __future__ import annotations

import _socket as socket  # the C half: the same class without the enums, which cost 4 ms at start-up
import sys

from netguard.core.seal import SIZE, begin, keyed
from netguard.core.wire import MAX_ANSWER, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from netguard.core.process import Process

#: Bytes of struct ucred (unix(7)): pid, uid, gid, each an int.
UCRED = 12


def owner(sock: socket.socket) -> tuple[int, int]:
    """(pid, uid) of who connected to us, by the kernel's word."""
    attested = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED)
    return int.from_bytes(attested[:4], sys.byteorder), int.from_bytes(attested[4:8], sys.byteorder)


class Peer:
    """One connection.

    pid, uid: of who opened it, by the kernel's word; pid 0: it says so with the first frame.
    tid:      its thread, where the kernel said that too; 0: only the guest says it.
    process:  what is known of it; None until it has said `open`.
    waiting:  whether a question of its has no answer yet. It may ask the next one only then, so that nobody can pile
              up look-ups and delays.
    seq:      the record of its last act, 0 when that left none or its outcome is known: the only one that it may add
              an outcome to.
    greeted:  whether it has reported as a guarded interpreter, which one does once.
    closed:   whether an answer still finds it.
    key:      what its answers are sealed with: empty until its interpreter has reported.
    code:     the seal of the answer that is to come, as far as the question makes it.

    hung_up: called when it has been closed.
    """

    __slots__ = (
        "closed", "code", "fd", "greeted", "hung_up", "key", "pid", "process", "seq", "sock", "tid", "uid",
        "waiting",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, hung_up: Callable[[Peer], None], pid: int = 0, tid: int = 0, broker: int = 0
    ) -> None:
        """broker: who connects in the place of others, and so is not who asks."""
        said, self.uid = owner(sock)
        self.pid = pid or (said if said != broker else 0)
        self.tid = tid
        self.sock = sock
        self.fd = sock.fileno()
        self.hung_up = hung_up
        self.process: Process | None = None
        self.waiting = False
        self.seq = 0
        self.greeted = False
        self.closed = False
        self.key = keyed(b"")
        self.code = self.key

    def receive(self, room: bytearray) -> int:
        """Reads one frame; returns its length, 0 at the end. Raises OSError.

        A connection that another has opened for this peer is of the process that writes the first frame, of which the
        kernel says the pid (SCM_CREDENTIALS). The run around us lets nobody claim another's.
        """
        if self.pid:
            return self.sock.recv_into(room)
        length, said, _, _ = self.sock.recvmsg_into([room], socket.CMSG_SPACE(UCRED))
        for level, kind, data in said:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                self.pid = int.from_bytes(data[:4], sys.byteorder)
        return length

    def asked(self, frame: bytes) -> None:
        """A question has come; its own text is part of what seals its answer."""
        self.code = begin(self.key, frame)

    def answer(self, number: str, verdict: str, rest: tuple[str, ...], seq: int) -> None:
        """Answers its question; `seq` is the record that its outcome may be added to."""
        try:
            frame = pack((number, verdict, str(seq), *rest), MAX_ANSWER - SIZE)
        except ValueError:
            # Too long for a frame (a name with thousands of addresses). To hear nothing is a denial.
            self.cut_off()
            return
        self.send(frame, seq)

    def send(self, answer: bytes, seq: int) -> None:
        """Sends an answer. Its code serves once: what comes after it was not asked."""
        if self.closed:
            return
        self.waiting = False
        self.seq = seq
        self.code.update(answer)
        try:
            self.sock.send(self.code.digest() + answer)
        except OSError:  # gone, or never reading
            self.cut_off()

    def cut_off(self) -> None:
        """Hangs up."""
        if not self.closed:
            self.closed = True
            self.hung_up(self)
            self.sock.close()
