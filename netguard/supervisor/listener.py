"""The channel's end that guests knock at: its name, and how many of them it has room for."""

from __future__ import annotations

# The C half of `socket`: the same class without the enums, which cost 4 ms at start-up.
import _socket as socket
import os

from netguard.errors import StartError
from netguard.supervisor.peer import owner

#: Open connections: each is a thread of the guest's. Past it new ones wait, which is a denial when they time out.
MAX_PEERS = 8_192

#: Descriptors that the supervisor needs besides those of its peers: of the threads whose calls it looks into, of calls
#: that wait, of notes.
SPARE_FDS = 4_096


def new_address() -> str:
    """A name for a channel that nobody has yet: abstract, so no file is left behind.

    Every user of the machine can read it in /proc/net/unix, so it is no secret and holds none; `Loop._open` asks for
    more.
    """
    return f"@netguard-{os.urandom(8).hex()}"


def allow_many_fds() -> None:
    """Lets the supervisor have a descriptor for each thread of the guest's. Call it after the guest's start."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_PEERS + SPARE_FDS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(address: str) -> socket.socket:
    """The socket of that name, which never waits. Raises StartError: a run around this one forbids it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind("\0" + address[1:])
        listener.listen(512)
    except OSError as error:
        listener.close()
        needed = "a run around this one has to grant [listen, connect] to unix:@netguard-*"
        raise StartError(f"the channel cannot be opened: {os.strerror(error.errno or 0)}; {needed}") from None
    listener.setblocking(False)
    return listener


def broker(listener: socket.socket, address: str) -> int:
    """Who connects in this process's place, so in its guest's too: the supervisor of a run around this one; else 0.
    Then `Peer.receive` hears from the kernel who writes.

    Found by connecting, and by the kernel's word on who did. Where that is not allowed its guest cannot connect either.
    """
    ours, theirs = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), None
    try:
        ours.connect("\0" + address[1:])
        fd, _ = listener._accept()  # type: ignore[attr-defined]  # what `socket.accept` calls
        theirs = socket.socket(fileno=fd)
        pid, _ = owner(theirs)
    except OSError:
        return 0
    finally:
        for sock in (ours, theirs):
            if sock is not None:
                sock.close()
    if pid == os.getpid():
        return 0
    # From now on the kernel adds to each frame whose it is, on what is accepted here too, and before that.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return pid
