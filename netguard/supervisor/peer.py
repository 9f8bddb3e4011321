"""One open connection of the channel: a thread of a process of the guest's, as the kernel attests it.

A peer and not its descriptor's number is what an answer is sent to: the number of a closed connection is given to the
next one, which must not hear what another asked.
"""

from __future__ import annotations

import _socket as socket  # the C half: the same class without the enums, which cost 4 ms at start-up
import sys

from netguard.core.seal import begin, keyed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.core.process import Process

#: Bytes of struct ucred (unix(7)): pid, uid, gid, each an int.
UCRED = 12


class Peer:
    """One connection.

    pid, uid: of who opened it, by the kernel's word.
    process:  what is known of it; None until it has said `open`.
    waiting:  whether a question of its has no answer yet. It may ask the next one only then, so that nobody can pile
              up look-ups and delays.
    seq:      the record of its last act, 0 when that left none or its outcome is known: the only one that it may add
              an outcome to.
    greeted:  whether it has reported as a guarded interpreter, which one does once.
    closed:   whether an answer still finds it.
    key:      what its answers are sealed with: empty until its interpreter has reported.
    code:     the seal of the answer that is to come, as far as the question makes it.
    """

    __slots__ = ("closed", "code", "fd", "greeted", "key", "pid", "process", "seq", "sock", "uid", "waiting")

    def __init__(self, sock: socket.socket) -> None:
        attested = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED)
        self.pid, self.uid = [int.from_bytes(attested[at : at + 4], sys.byteorder) for at in (0, 4)]
        self.sock = sock
        self.fd = sock.fileno()
        self.process: Process | None = None
        self.waiting = False
        self.seq = 0
        self.greeted = False
        self.closed = False
        self.key = keyed(b"")
        self.code = self.key

    def asked(self, frame: bytes) -> None:
        """A question has come; its own text is part of what seals its answer."""
        self.code = begin(self.key, frame)

    def sealed(self, answer: bytes) -> bytes:
        """The answer as it is sent. The code serves once: what comes after it was not asked."""
        self.code.update(answer)
        return self.code.digest() + answer

    def close(self) -> None:
        """Hangs up."""
        self.closed = True
        self.sock.close()
