"""The methods of `socket.socket` that take an address, wrapped: a name in it is looked up first, under the rules.

C resolves a name inside `connect`, `bind` and `sendto` before it raises the event, and raises none when that fails: a
name can carry data out unseen. Here the name is asked for as any other, and C gets the address that came back. The
event that follows is where the act is decided; these wrappers only make the address exact and say afterwards how it
ended.

`_socket.socket` itself cannot be wrapped (the type is immutable): code that uses it directly is refused names by the
hook, but only after C has looked them up.

C leaves no frame in a traceback, and these do: each lets go of what it was called with, or an error that somebody
keeps would keep the socket open.
"""

from __future__ import annotations

import _socket
from time import perf_counter

from . import exact
from .arguments import ANY, EBADF, INTERNET, canonical
from .asker import INTERRUPTIONS, Lost
from .hook import Witness
from .names import INET6, Lookups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_family = _socket.socket.family.__get__
_fileno = _socket.socket.fileno
INET = _socket.AF_INET
_kind = _socket.socket.type.__get__
_getsockname = _socket.socket.getsockname
_getpeername = _socket.socket.getpeername
_gettimeout = _socket.socket.gettimeout
_DGRAM = _socket.SOCK_DGRAM
_timeout = _socket.timeout

#: What a time-out of the socket's own comes to; the exception that says so carries no number.
ETIMEDOUT = 110

#: Errors that say "not yet": the connection goes on, so nothing is known about how it ends.
_PENDING = (11, 36, 114, 115)  # EAGAIN, macOS's EINPROGRESS, Linux's EALREADY and EINPROGRESS


class Addresses:
    """Makes one address argument exact."""

    __slots__ = ("lookups",)

    def __init__(self, lookups: Lookups) -> None:
        self.lookups = lookups

    def exact(self, family: int, address: object) -> object:
        """Returns the address with its name resolved. What C would refuse is left for C to refuse, without its name."""
        if family not in INTERNET:
            return exact.buffer(address)
        address = exact.pair(address)
        if type(address) is not tuple or len(address) < 2:
            return address
        host, port = address[0], address[1]
        if type(host) is bytes and host.isascii():
            host = host.decode("ascii")
        if type(host) is not str or not host or "\0" in host or canonical(host) is not None:
            return (host, *address[1:])
        if type(port) is not int:
            return (ANY[family], *address[1:])  # an address for C to refuse the port with
        return (self.lookups.first(host, INET if family != INET6 else family), *address[1:])


def wrap_connect(name: str, addresses: Addresses, witness: Witness) -> Callable[..., object]:
    """Returns `connect` or `connect_ex`, which say afterwards how the connection ended and how long it took."""
    original = getattr(_socket.socket, name)
    channel = witness.channel
    returns = name == "connect_ex"  # the error's number, instead of raising it

    def connect(self: _socket.socket, address: object, /) -> object:
        if returns and _fileno(self) == -1:
            return EBADF  # the event would raise it
        lines = channel.lines
        lines.seq = "0"
        start = perf_counter()
        number = 0
        try:
            address = addresses.exact(_family(self), address)
            found = original(self, address)
            for _ in range(INTERRUPTIONS if witness.walled and not found else 0):
                if is_connected(self):
                    break
                found = original(self, address)
            number = found or 0
            witness.explain(number, "connect", self, address)
            return found
        except OSError as error:
            number = error.errno or (ETIMEDOUT if type(error) is _timeout else 0)
            witness.explain(number, "connect", self, address)
            raise
        finally:
            # Only what is on record has an outcome to add; a silent grant stays silent. Behind the wall the kernel
            # knows it, but for a socket with a time-out, for which C waits by itself.
            if number not in _PENDING and (lines.seq != "0" or (witness.walled and _gettimeout(self))):
                ms = str(round((perf_counter() - start) * 1000, 3))
                if witness.walled:
                    channel.note("ended", (str(number), ms))
                else:
                    channel.tell("result", (lines.seq, str(number), ms))
            del self, address

    return connect


def is_connected(sock: _socket.socket) -> bool:
    """Whether a connect that is said to have gone well was made at all.

    A signal may interrupt the call before the wall has taken it. C takes that for a connection which is under way, and
    then, since nothing is wrong with the socket, for made. One that was made and is over by now has a port of its own.
    """
    try:
        _getpeername(sock)
    except OSError:
        return _family(sock) in INTERNET and bool(_getsockname(sock)[1] != 0)
    return True


def wrap_bind(addresses: Addresses, witness: Witness) -> Callable[..., object]:
    """Returns `bind`; a bound datagram socket receives at once, so it is shown to the supervisor as the run's own."""
    original: Callable[..., None] = _socket.socket.bind

    def bind(self: _socket.socket, address: object, /) -> None:
        try:
            address = addresses.exact(_family(self), address)
            original(self, address)
            if _kind(self) & 0xF == _DGRAM:
                show(witness, self)
        except OSError as error:
            witness.explain(error.errno, "listen", self, address)
            raise
        finally:
            del self, address

    return bind


def wrap_listen(witness: Witness) -> Callable[..., object]:
    """Returns `listen`; the socket is then shown to the supervisor as the run's own."""
    original: Callable[..., None] = _socket.socket.listen

    def listen(self: _socket.socket, *backlog: int) -> None:
        try:
            if _family(self) in INTERNET and _getsockname(self)[1] == 0:
                # Without `bind` the kernel takes any free port on all addresses, and no event says so.
                witness.saw("socket.bind", (self, (ANY[_family(self)], 0)))
            original(self, *backlog)
            show(witness, self)
        except OSError as error:
            witness.explain(error.errno, "listen", self, (ANY.get(_family(self)), 0))
            raise
        finally:
            del self

    return listen


def show(witness: Witness, sock: _socket.socket) -> None:
    """Says which descriptor now listens. The supervisor asks the kernel what it is; a guest's word gives no right."""
    if witness.walled:
        return  # the call has said it
    try:
        witness.channel.ask("listening", (str(_fileno(sock)),))
    except (Lost, ValueError):  # not shown means not the run's own: the next connection to it is judged as any other
        return


def wrap_sendto(addresses: Addresses, witness: Witness) -> Callable[..., object]:
    """Returns `sendto(data[, flags], address)`."""
    original: Callable[..., object] = _socket.socket.sendto

    def sendto(self: _socket.socket, *args: object) -> object:
        address: object = None
        try:
            if len(args) < 2:
                return original(self, *args)
            address = addresses.exact(_family(self), args[-1])
            return original(self, *args[:-1], address)
        except OSError as error:
            witness.explain(error.errno, "connect", self, address)
            raise
        finally:
            del self, args, address

    return sendto


def wrap_sendmsg(addresses: Addresses, witness: Witness) -> Callable[..., object]:
    """Returns `sendmsg(buffers[, ancdata[, flags[, address]]])`."""
    original: Callable[..., object] = _socket.socket.sendmsg

    def sendmsg(self: _socket.socket, *args: object) -> object:
        address: object = None
        try:
            if len(args) < 4 or args[3] is None:
                return original(self, *args)
            address = addresses.exact(_family(self), args[3])
            return original(self, *args[:3], address, *args[4:])
        except OSError as error:
            witness.explain(error.errno, "connect", self, address)
            raise
        finally:
            del self, args, address

    return sendmsg


def wrappers(lookups: Lookups, witness: Witness) -> dict[str, Callable[..., object]]:
    """Returns method name -> function, for the class `socket.socket`."""
    addresses = Addresses(lookups)
    return {
        "connect": wrap_connect("connect", addresses, witness),
        "connect_ex": wrap_connect("connect_ex", addresses, witness),
        "bind": wrap_bind(addresses, witness),
        "listen": wrap_listen(witness),
        "sendto": wrap_sendto(addresses, witness),
        "sendmsg": wrap_sendmsg(addresses, witness),
    }


