"""The audit hook: event in, a question to the supervisor, and a refusal or nothing out.

It fails closed: an argument it cannot read, a supervisor it cannot reach and a fault of its own all end in `Denied`.
There is no switch in it that turns checking off, not even while it runs: a signal handler that acts inside it asks as
well.
"""

from __future__ import annotations

import sys
from time import monotonic

from ..denied import EACCES, Denied, denied
from . import credentials, origin
from .arguments import READERS, Hostile, endpoint
from .asker import OPENING, Lost, is_ours
from .environment import Environment
from .table import RUNNING, SELF_TEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .arguments import Act
    from .asker import Asker

    Row = tuple[str, Callable[[str, tuple[object, ...]], Act | None]]

#: How long a granted UDP destination stays granted without asking, in seconds: each datagram raises an event, and
#: reaching a destination is one act. Short, so that a changed mind and the trail's times stay near.
UDP_MEMORY = 5.0

#: More UDP destinations than a client has at once; past it they are asked for again.
UDP_SLOTS = 1_024

#: What the wall decides where there is one: here it is only announced. The kernel asks when the call is made, and goes
#: by what the call says.
_ANNOUNCED = frozenset(
    [(kind, proto) for kind in ("connect", "listen") for proto in ("tcp", "udp", "unix")]
)

#: Events from C by which `subprocess.Popen` starts its program; the record names what the user knows.
_STARTS = ("_posixsubprocess.fork_exec", "os.posix_spawn")


class Witness:
    """What the hook needs: the table for this run, the channel, and what it may remember.

    walled: whether the kernel asks the supervisor about each connection, so that here it need only be announced.
    """

    __slots__ = ("channel", "environment", "known", "rows", "udp", "walled")

    def __init__(self, channel: Asker, environment: Environment, table: dict[str, tuple[str, str]]) -> None:
        self.channel = channel
        self.environment = environment
        readers = {**READERS, "variable": environment.heard}
        self.rows: dict[str, Row] = {event: (kind, readers[reader]) for event, (kind, reader) in table.items()}
        self.udp: dict[tuple[str, str], float] = {}
        self.known: set[str] = set()
        self.walled = False

    def saw(self, event: str, args: tuple[object, ...]) -> None:
        """Handles one watched event. Raises Denied when it may not go on."""
        kind, read = self.rows[event]
        if kind == "dns" and args[0] is not None and args[0] is getattr(self.channel.lines, "released", None):
            return  # a look-up that was granted, as C tells of it: nobody else has this very object
        try:
            act = read(event, args)
            if act is not None:
                if event == "os.putenv" and act[3]:
                    kind = "native"  # the variable names code that is loaded into this process
                self.judge(kind, event, self.environment.told(act, args) if kind == "exec" else act)
            if event == "os.putenv" or event == "os.unsetenv":
                self.environment.changed(args)
        except OSError:
            raise  # Denied, or what C would have raised next: a closed socket, a program that is not there
        except Hostile as error:
            raise self.hostile(kind, event, str(error)) from None
        except Lost as error:
            raise denied(kind, event, "no-supervisor", str(error)) from None
        except Exception as error:  # a fault of the hook's own must not let the act through
            if not origin.is_ours(error):
                raise  # a signal handler's; the act does not happen either
            raise self.hostile(kind, event, f"the guard failed: {type(error).__name__}") from None

    def judge(self, kind: str, event: str, act: Act) -> None:
        """Asks whether the act may happen; raises Denied when not."""
        proto, host, port, path, program, argv = act
        if proto == "udp" and kind == "connect" and self.udp.get((host, port), 0.0) > monotonic():
            return
        if kind == "native" and (path or program) in self.known:
            return
        if self.walled and (kind, proto) in _ANNOUNCED:
            self.announce(kind, event, act)
            return
        lines = self.channel.lines
        if kind == "audit" and event in OPENING and getattr(lines, "opening", False):
            return
        if event in _STARTS and getattr(lines, "popen", False):
            event, lines.popen = "subprocess.Popen", False
        answer = self.channel.ask("ask", (kind, event, proto, host, port, path, program, *origin.here(3), *argv))
        if answer[0] != "allow" and answer[0] != "log":
            raise denied(kind, path if kind == "http" else destination(act), answer[2], answer[3])
        lines.seq = answer[1]  # "0" where there is no line
        if answer[2] == "again":
            self.remember(kind, host, port, path or program)

    def announce(self, kind: str, event: str, act: Act) -> None:
        """Tells which code is about to do this. It gives no right, so nobody waits for an answer and it may be lost."""
        proto, host, port, path, program, _ = act
        self.channel.lines.seq = "0"
        self.channel.note("note", (kind, event, proto, host, port, path, program, *origin.here(4)))
        if proto == "udp" and kind == "connect":
            self.remember(kind, host, port, path)

    def explain(self, number: int | None, kind: str, sock: object, address: object) -> None:
        """Raises the denial that an EACCES of the wall's stands for; returns where it was one of the kernel's own."""
        if not self.walled or number != EACCES:
            return
        try:
            act = endpoint(kind, (sock, address))
            answer = self.channel.ask("why", (kind, *act[:3])) if act is not None else ["allow"]
        except (OSError, Hostile, Lost, ValueError):
            return
        if answer[0] == "deny" and act is not None:
            raise denied(kind, destination(act), answer[2], answer[3]) from None

    def remember(self, kind: str, host: str, port: str, path: str) -> None:
        """Keeps a grant that the supervisor said stands for a while: a UDP destination, a library, a symbol."""
        if kind == "native":
            if len(self.known) < UDP_SLOTS * 16:
                self.known.add(path)
            return
        if len(self.udp) >= UDP_SLOTS:
            self.udp.clear()
        self.udp[host, port] = monotonic() + UDP_MEMORY

    def hostile(self, kind: str, event: str, why: str) -> Denied:
        """Has an unreadable argument put on record and returns the refusal."""
        try:
            self.channel.ask("hostile", (kind, event, why, *origin.here(3)))
        except (Lost, ValueError):
            pass  # the refusal stands without a record: there is nobody left to write one
        return denied(kind, event, "hostile-argument", why)


def destination(act: Act) -> str:
    """What was asked for, as a person writes it."""
    proto, host, port, path, program, argv = act
    if program:
        return " ".join((program, *argv[1:]))[:200]
    if proto == "unix" or not host:
        return path or proto
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def install(witness: Witness, front: Callable[[object], None]) -> None:
    """Adds the hook and proves that it hears. Raises RuntimeError when an earlier hook has kept it out in silence.

    front: called with the name of each module that is about to be looked for.
    """
    rows = witness.rows
    saw = witness.saw
    announced = witness.channel.lines
    endings = credentials.ENDINGS
    nonce = object()
    heard = []

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "open":
            path = args[0]
            # Almost every file there is ends in no letters of a credential file's, so it is let go first: of all that
            # a program does, opening files is what it waits for. The reader looks at the others.
            if type(path) is str and path[-3:] not in endings:
                return
        elif event not in rows:
            if event == SELF_TEST and args and args[0] is nonce:
                heard.append(True)
            elif event == RUNNING and args and type(args[0]) is list:
                args[0].append(True)
            return
        if event == "socket.connect" and is_ours(args[0]):
            return
        if event == "subprocess.Popen":
            announced.popen = True
            return
        if event == "import" and args[1] is None:
            front(args[0])
            return
        saw(event, args)

    sys.addaudithook(hook)
    sys.audit(SELF_TEST, nonce)
    if not heard:
        raise RuntimeError("the audit hook does not hear: a hook that was there before keeps it out")
