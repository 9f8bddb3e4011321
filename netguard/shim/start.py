"""Starts the witness: the hook, the wrapped functions, the finder, and the report to the supervisor.

Called once by the starter in each interpreter. Whatever goes wrong is raised; the starter then stops the program.
"""

from __future__ import annotations

import sys
from posix import environ, getcwd

from ..core.wire import VERSION
from ..denied import Denied
from . import arguments, exact, finder, hook, names, programs, sockets
from .channel import Channel
from .table import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

#: The variables that ask for a guard. Set by `netguard run`, never by a guest with any effect on a running hook.
CHANNEL, RUN = b"NETGUARD_CHANNEL", b"NETGUARD_RUN"


def start() -> None:
    """Installs everything; the report comes last."""
    wanted = _wanted()
    channel = Channel(_address(wanted[CHANNEL]), wanted.get(RUN, b"").decode("ascii"))
    witness = hook.Witness(channel, watched(frozenset()))
    hook.install(witness, finder.install(_changes(witness)).front)
    argv = [part for part in map(exact.text, getattr(sys, "orig_argv", sys.argv)) if type(part) is str]
    cwd = getcwd().replace("\0", "")
    answer = channel.ask("hello", (VERSION, sys.version.split()[0], sys.executable or "", cwd, *argv))
    if answer[0] != "allow":
        raise RuntimeError(f"the supervisor does not start this interpreter: {answer[-1]}")
    # Events that rules name as `audit:NAME`; the hook looks them up in the same dict.
    for event, row in watched(frozenset(answer[2:])).items():
        witness.rows.setdefault(event, (row[0], arguments.READERS[row[1]]))


def _wanted() -> dict[bytes, bytes]:
    """The environment that this process was started with.

    As the kernel keeps it, where it does: before a sub-interpreter starts, the guest may have put another address, its
    own, into what `posix` shows.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            found = dict([entry.partition(b"=")[::2] for entry in file.read().split(b"\0")])
    except OSError:
        return environ
    return found if CHANNEL in found else environ


def _address(text: bytes) -> str | bytes:
    """The channel's name: `@name` is an abstract one, anything else a path."""
    return b"\0" + text[1:] if text.startswith(b"@") else text


def _changes(witness: hook.Witness) -> dict[str, Callable[[ModuleType], None]]:
    """What is changed in which module."""
    lookups = names.Lookups(witness)

    def change_socket_functions(module: ModuleType) -> None:
        for name, wrap in names.WRAPPERS.items():
            _replace(module, name, wrap(lookups, getattr(module, name)))

    def change_socket_class(module: ModuleType) -> None:
        for name, function in sockets.wrappers(lookups, witness).items():
            function.__doc__ = getattr(module.socket, name).__doc__
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

    def change_spawn(module: ModuleType) -> None:
        for name, function in programs.wrap_posix(module).items():
            _replace(module, name, function)
            _replace(sys.modules["os"], name, function)
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


def _replace(module: ModuleType, name: str, function: Callable[..., object]) -> None:
    """Puts a function in another's place, with its looks; a reloaded module may have ours already."""
    original = getattr(module, name)
    if getattr(original, "__code__", None) is function.__code__:
        return
    function.__name__ = function.__qualname__ = name
    function.__doc__ = original.__doc__
    function.__module__ = original.__module__
    setattr(module, name, function)
