"""The environment: what the guest starts gets what starts the guard in it, and the guest sees nothing of that.

Theory of operation. What asks for the guard are the variables called NETGUARD_… and a PYTHONPATH that leads to the
starter. This process's C environment holds them as it was started with them, whatever the guest puts there, so that
a child that inherits it is guarded; a child with an environment of its own gets them put in. The guest's view
(`os.environ`) is without them.

    what the guest sets             what its children get
    PYTHONPATH, any value           PYTHONPATH=starter, NETGUARD_PYTHONPATH=value
    PYTHONPYCACHEPREFIX, any value  NETGUARD_PYTHONPYCACHEPREFIX=value
    NETGUARD_…                      nothing: as this process was started

Until the starter runs, a Python imports `encodings` and its like from the path, and takes bytecode from the cache, so
both must be out of the guest's hands so long. The shim of the child puts them back where they belong.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from posix import getpid

from ..core.carriers import CARRIERS, NATIVE, brings
from . import exact
from .arguments import Hostile, bare, clean, system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .arguments import Act

    Variables = dict[bytes, bytes]

#: How all variables of ours begin.
OURS = b"NETGUARD_"

#: The variables of the guest's that would run its code before the guard, and where they wait until it stands.
PATH, CACHE = b"PYTHONPATH", b"PYTHONPYCACHEPREFIX"
MOVED = {PATH: b"NETGUARD_PYTHONPATH", CACHE: b"NETGUARD_PYTHONPYCACHEPREFIX"}
WAITING = frozenset(MOVED.values())

#: In an environment by which `netguard run` starts a guest of its own inside a guarded run: that guest asks the inner
#: supervisor, who asks the outer one. Whoever decides hears of it as of any start that this guard does not cover.
INSIDE = b"NETGUARD_INSIDE"

#: The descriptor that the lines go to where there is no supervisor.
LOG_FD = b"NETGUARD_LOG_FD"

#: Who is asked in the end. One that differs is another run's.
CHANNEL = b"NETGUARD_CHANNEL"

_CARRIERS = {name.encode(): name for name in CARRIERS}


class Environment:
    """What this process's children get.

    started: the variables that this process was started with.
    starter: the path element that leads to the starter, absolute.
    """

    __slots__ = ("asked", "carried", "holds", "kept", "log_fd", "started")

    def __init__(self, started: Variables, starter: bytes) -> None:
        self.kept = {name: value for name, value in started.items() if name.startswith(OURS) and name not in WAITING}
        self.kept[PATH] = starter
        self.started = started
        self.carried = {name: value for name, value in started.items() if name in _CARRIERS}
        fd = started.get(LOG_FD, b"")
        self.log_fd = int(fd) if fd.isdigit() and len(fd) < 10 else -1
        self.asked: set[str] = set()  # those of the events below that rules name
        self.holds: set[Hold] = set()

    # The guest's own view

    def shown(self, found: Variables) -> Variables:
        """The environment `found` as it is without a guard."""
        seen = {name: value for name, value in found.items() if not name.startswith(OURS)}
        for name, value in self.theirs(found).items():
            seen.pop(name, None)
            if value is not None:
                seen[name] = value
        return seen

    def theirs(self, found: Variables) -> dict[bytes, bytes | None]:
        """The guest's own values of the variables that are moved; None where it has none."""
        waiting = found.get(MOVED[PATH])
        parts = found[PATH].split(b":") if PATH in found else []
        at = [index for index, part in enumerate(parts) if part and place(part) == self.kept[PATH]]
        for index in reversed(at):
            # Of a path that a shell has built around ours, each piece stays where it was put.
            parts[index : index + 1] = waiting.split(b":") if waiting is not None and index == at[0] else []
        path = b":".join(parts) if parts or (PATH in found and not at) else None
        return {PATH: path, CACHE: found.get(CACHE, found.get(MOVED[CACHE]))}

    def hide(self, module: ModuleType) -> None:
        """Makes `posix.environ`, which `os.environ` is a view of, the guest's own."""
        environ: Variables = module.environ
        seen = self.shown(environ)
        environ.clear()
        environ.update(seen)

    def settle(self, module: ModuleType) -> None:
        """Makes the C environment what children get, where it is not: a shell may have put a path together."""
        found: Variables = module.environ
        wanted = self.guarded(list(self.shown(found).items()))
        for name, value in wanted.items():
            if value != found.get(name):
                module.putenv(name, value)
        for name in found:
            if name not in wanted:
                module.unsetenv(name)

    def put_back(self) -> None:
        """Gives the interpreter the path and the cache that waited, now that the guard stands."""
        if sys.flags.ignore_environment:
            return
        value = self.theirs(self.started)[CACHE]
        if value and "pycache_prefix" not in sys._xoptions:
            sys.pycache_prefix = os.fsdecode(value)
        waiting, starter = self.started.get(MOVED[PATH]), os.fsdecode(self.kept[PATH])
        if waiting and starter in sys.path:
            at = sys.path.index(starter)
            theirs = [os.fsdecode(place(part)) for part in waiting.split(b":")]
            places = [*sys.path[:at], *theirs, *sys.path[at:]]
            sys.path[:] = dict.fromkeys(places)  # `site` too takes each place once, absolute

    # What children get

    def guarded(self, pairs: list[tuple[bytes, bytes]]) -> Variables:
        """An environment of the guest's with the guard in it."""
        if self.hands_over(pairs):
            return dict(pairs)
        found: Variables = {}
        for name, value in pairs:
            if not name.startswith(OURS):
                found.setdefault(MOVED.get(name, name), value)  # the first of two is the one that getenv finds
        return {**found, **self.kept}

    def hands_over(self, pairs: list[tuple[bytes, bytes]]) -> bool:
        """Whether this is the environment of a guest of another run's, inside this one."""
        found = dict(pairs)
        return INSIDE in found and found.get(CHANNEL, b"") not in (b"", self.kept.get(CHANNEL))

    def mapping(self, env: object) -> object:
        """The guarded form of a mapping, read once as C reads it; what is none is for C to refuse."""
        if not hasattr(env, "keys") or not hasattr(env, "values"):
            return env
        keys, values = list(env.keys()), list(env.values())
        pairs = zip(keys, values)  # 3.9 has no `strict`
        return self.guarded([(exact.system(key), exact.system(value)) for key, value in pairs])

    def entries(self, env: object) -> object:
        """The guarded form of a list of NAME=VALUE; None stays None, for the C environment is guarded already."""
        if env is None:
            return None
        items = exact.paths(env)
        if not all([b"=" in item for item in items]):
            return items  # no variable: the hook refuses it
        pairs = [(name, value) for name, _, value in [item.partition(b"=") for item in items]]
        return [b"%b=%b" % pair for pair in self.guarded(pairs).items()]

    def passed(self, fds: object) -> object:
        """`pass_fds` with the trail's descriptor among them, where the trail is one."""
        if self.log_fd < 0 or type(fds) is not tuple:
            return fds
        numbers = [fd for fd in map(exact.number, fds) if type(fd) is int]
        return tuple(sorted({self.log_fd, *numbers})) if len(numbers) == len(fds) else fds

    def wrappers(self, module: ModuleType) -> dict[str, Callable[..., object]]:
        """Returns name -> function for what reads and writes the C environment."""
        put, unset = module.putenv, module.unsetenv

        def putenv(_: object, name: object, value: object, /) -> object:
            key, text = exact.system(name), exact.system(value)
            if key.startswith(OURS) and b"=" not in key:
                return None
            return put(MOVED.get(key, key), text)

        def unsetenv(_: object, name: object, /) -> object:
            key = exact.system(name)
            if key.startswith(OURS) and b"=" not in key:
                return None
            return unset(MOVED.get(key, key))

        found: dict[str, Callable[..., object]] = {"putenv": putenv, "unsetenv": unsetenv}
        if hasattr(module, "_create_environ"):  # 3.14: behind `os.reload_environ`
            create = module._create_environ

            def _create_environ(_: object) -> object:
                return self.shown(create())

            found["_create_environ"] = _create_environ
        if hasattr(module, "_clearenv"):  # 3.15: behind `os.environ.clear`

            def _clearenv(_: object) -> None:
                for name in create():
                    if name not in self.kept:
                        unset(name)

            found["_clearenv"] = _clearenv
        return found

    # What the hook hears

    def told(self, act: Act, args: tuple[object, ...]) -> Act:
        """The act of starting a program, with the names of the variables by which it brings code of its own.

        Raises Hostile for an environment that does not have the guard in it: it came around the wrapped functions.
        """
        pairs = list(self.carried.items())
        if len(args) > 2 and args[2] is not None:
            pairs = pairs_of(args[2])
            if not self.is_guarded(dict(pairs)) and not self.hands_over(pairs):
                raise Hostile("an environment without the guard's variables")
        names = {_CARRIERS[name] for name, value in pairs if name in _CARRIERS and self.is_new(name, value)}
        return (*act[:3], " ".join(sorted(names)), *act[4:])

    def is_guarded(self, found: Variables) -> bool:
        """Whether all of the guard's variables are in it, and none that would change what they say to the child."""
        for name, value in self.kept.items():
            if found.get(name) != value:
                return False
        for name in found:
            if name.startswith(OURS) and name not in self.kept and name not in WAITING:
                return False
        return CACHE not in found

    def is_new(self, name: bytes, value: bytes) -> bool:
        """Whether the variable brings what this process was not started with itself."""
        return value != self.started.get(name) and brings(_CARRIERS[name], system_text(value))

    def heard(self, event: str, args: tuple[object, ...]) -> Act | None:
        """(name, value), (name,) or (): C is about to set a variable, to take it away, or all of them."""
        if not args:
            raise Hostile("all of the guard's own variables")
        name, value = args[0], args[1] if len(args) > 1 else None
        if type(name) is not bytes or (value is not None and type(value) is not bytes):
            raise Hostile("no exact bytes")
        fixed = name in MOVED or (name.startswith(OURS) and name not in WAITING)
        if fixed and value != self.kept.get(name):
            raise Hostile("one of the guard's own variables")
        if name in _CARRIERS:
            pid, thread = getpid(), get_ident()
            if any([pid == hold.pid or thread == hold.thread for hold in tuple(self.holds)]):
                raise Hostile("the environment of a program that is being started")
            if _CARRIERS[name] in NATIVE and value and self.is_new(name, value):
                return "", "", "", clean(system_text(value)), "", ()  # as loading it would be
        return bare(event, args) if event in self.asked else None

    def changed(self, args: tuple[object, ...]) -> None:
        """As `heard`, and it may go on."""
        name, value = args[0], args[1] if len(args) > 1 else None
        if type(name) is bytes and name in _CARRIERS:
            self.carried.pop(name, None)
            if type(value) is bytes:
                self.carried[name] = value


class Hold:
    """While a program is started in the C environment, nobody may make that another than was told.

    Not another thread, and not `preexec_fn`, which runs in this thread of the child.
    """

    __slots__ = ("holds", "pid", "thread")

    def __init__(self, environment: Environment, env: object) -> None:
        self.holds = environment.holds if env is None else set()  # an environment of its own is nobody else's
        self.pid, self.thread = getpid(), get_ident()

    def __enter__(self) -> None:
        self.holds.add(self)

    def __exit__(self, *error: object) -> None:
        self.holds.discard(self)


def place(part: bytes) -> bytes:
    """An entry of the path as `site` makes it: absolute, where there is a folder to start from."""
    try:
        return os.path.abspath(part)
    except OSError:
        return part


def pairs_of(env: object) -> list[tuple[bytes, bytes]]:
    """What an event has for an environment. Raises Hostile for what the wrapped functions do not hand on."""
    if type(env) is dict:
        pairs = list(env.items())
    elif type(env) is list and all([type(item) is bytes for item in env]):
        pairs = [item.partition(b"=")[::2] for item in env]
    else:
        raise Hostile("the environment is no exact mapping")
    if not all([type(name) is bytes and type(value) is bytes for name, value in pairs]):
        raise Hostile("the environment is no exact mapping")
    if len(dict(pairs)) != len(pairs):
        raise Hostile("a variable that is set twice")
    return pairs
