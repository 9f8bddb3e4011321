"""Starts the witness: the hook, the wrapped functions, the finder, and the report.

Called once by the starter in each interpreter. Whatever goes wrong is raised; the starter then stops the program.
"""

from __future__ import annotations

import sys
from posix import getcwd

from ..core.wire import VERSION
from ..denied import Denied
from . import arguments, exact, finder, hook, names, programs, settings, sockets
from .double import double, dress, stands
from .environment import Environment
from .table import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from .asker import Asker


def start(started: dict[bytes, bytes], folder: str) -> None:
    """Installs everything; the report comes last.

    started: the environment that this process was started with, and with which its children are to be.
    folder:  where the starter lies: with it on the path, children find it.
    """
    wanted = settings.read(started)
    argv = [part for part in map(exact.text, getattr(sys, "orig_argv", sys.argv)) if type(part) is str]
    if wanted.channel:
        from .channel import Channel

        asker: Asker = Channel(address_of(wanted.channel), wanted.run)
    else:
        from .decider import decider  # not where a supervisor decides: it would only cost

        asker = decider(wanted, started, argv)
    environment = Environment(started, exact.system(folder))
    witness = hook.Witness(asker, environment, watched(frozenset()))
    hook.install(witness, finder.install(changes(witness)).front)
    report(witness, argv)
    environment.put_back()


def report(witness: hook.Witness, argv: list[str]) -> None:
    """Says that this interpreter is guarded, and hears what else is to be watched."""
    cwd = getcwd().replace("\0", "")
    answer = witness.channel.ask("hello", (VERSION, sys.version.split()[0], sys.executable or "", cwd, *argv))
    if answer[0] != "allow":
        raise RuntimeError(f"this interpreter may not start: {answer[-1]}")
    witness.walled = answer[2] == "wall"
    # Events that rules name as `audit:NAME`; the hook looks them up in the same dict.
    witness.environment.asked.update(answer[3:])
    for event in answer[3:]:
        witness.rows.setdefault(event, ("audit", arguments.bare))


def address_of(text: str) -> str | bytes:
    """The channel's name: `@name` is an abstract one, anything else a path."""
    return b"\0" + text[1:].encode("utf-8", "surrogateescape") if text.startswith("@") else text


def changes(witness: hook.Witness) -> dict[str, Callable[[ModuleType], None]]:
    """What is changed in which module."""
    lookups = names.Lookups(witness)

    def change_socket_functions(module: ModuleType) -> None:
        for name, wrap in names.WRAPPERS.items():
            _replace(module, name, wrap(lookups, getattr(module, name)))

    def change_socket_class(module: ModuleType) -> None:
        for name, function in sockets.wrappers(lookups, witness).items():
            original = getattr(module.socket, name)
            dress(function, name, "socket." + name, "socket", original.__doc__)
            setattr(module.socket, name, function)
        for name in names.COPIED:  # a `socket` that was loaded before us has copied the bare ones
            setattr(module, name, getattr(sys.modules["_socket"], name))

    def change_fork_exec(module: ModuleType) -> None:
        _replace(module, "fork_exec", programs.wrap_fork_exec(witness, module.fork_exec))

    def change_subprocess(module: ModuleType) -> None:
        # Only when it was loaded before us: otherwise it has copied the wrapped function.
        changed = sys.modules.get("_posixsubprocess")
        if changed is not None and hasattr(module, "_fork_exec"):
            module._fork_exec = changed.fork_exec  # type: ignore[attr-defined]
        if witness.environment.log_fd >= 0:  # which `posix_spawn` has no way to spare when it closes all above 2
            module._USE_POSIX_SPAWN = False  # type: ignore[attr-defined]

    def change_spawn(module: ModuleType) -> None:
        environment = witness.environment
        environment.settle(module)
        environment.hide(module)
        for name, function in {**programs.wrap_posix(module, environment), **environment.wrappers(module)}.items():
            found = _replace(module, name, function)
            if hasattr(sys.modules["os"], name):
                _replace(sys.modules["os"], name, function, found)
        _replace(sys.modules["os"], "_execvpe", programs.wrap_execvpe(sys.modules["os"]))

    def change_netguard(module: ModuleType) -> None:
        module.Denied = Denied  # type: ignore[attr-defined]

    return {
        "_socket": change_socket_functions,
        "socket": change_socket_class,
        "_posixsubprocess": change_fork_exec,
        "subprocess": change_subprocess,
        "posix": change_spawn,
        "netguard": change_netguard,
    }


def _replace(module: ModuleType, name: str, function: Callable[..., object], found: object = None) -> object:
    """Puts a function in another's place and returns what is there now; a reloaded module may have ours already.

    found: what stands in the module that this one has copied.
    """
    original = getattr(module, name)
    if stands(function, original):
        return original
    found = found or double(function, original)
    setattr(module, name, found)
    known = getattr(module, "supports_fd", None)  # of `os`: which functions take a descriptor in a path's place
    if type(known) is set and original in known:
        known.remove(original)
        known.add(found)
    return found
