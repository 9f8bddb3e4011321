"""The functions that start programs, wrapped: their arguments are made exact, so that what is judged is what is
started.

`posix_spawn` and `exec*` raise their event with the caller's live list in it, which a thread can change after the
hook has looked; here they get a copy that nobody else holds. `_posixsubprocess.fork_exec` raises no event before
3.14, so the question is put here in its name.
"""

from __future__ import annotations

import sys

from . import exact
from .hook import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: From here on `fork_exec` raises its own event, which the hook hears.
_FORK_EXEC_HAS_EVENT = sys.version_info >= (3, 14)


def wrap_fork_exec(witness: Witness, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `fork_exec(args, executable_list, close_fds, pass_fds, cwd, env, …)`; only these positions are read."""

    def fork_exec(argv: object, programs: object, *rest: object) -> object:
        argv, programs = exact.paths(argv), tuple(exact.paths(programs))
        if not _FORK_EXEC_HAS_EVENT:
            witness.saw("_posixsubprocess.fork_exec", (programs, argv, rest[3] if len(rest) > 3 else None))
        return original(argv, programs, *rest)

    return fork_exec


def wrap_spawn(name: str, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `posix_spawn`, `posix_spawnp` or `execve`: (path, argv, env, …)."""

    def spawn(path: object, argv: object, env: object, **options: object) -> object:
        return original(exact.path(path), exact.paths(argv), _environment(env), **options)

    spawn.__name__ = spawn.__qualname__ = name
    return spawn


def wrap_execv(original: Callable[..., object]) -> Callable[..., object]:
    """Returns `execv(path, argv)`."""

    def execv(path: object, argv: object, /) -> object:
        return original(exact.path(path), exact.paths(argv))

    return execv


def _environment(env: object) -> object:
    """A mapping as an exact dict of bytes, read once as C reads it; None (the process's own) stays."""
    if env is None:
        return None
    keys, values = list(env.keys()), list(env.values())  # type: ignore[attr-defined]
    return {exact.path(key): exact.path(value) for key, value in zip(keys, values)}  # 3.9 has no `strict`


def wrap_posix(module: object) -> dict[str, Callable[..., object]]:
    """Returns name -> function for what `posix` has of these and `os` has copied."""
    found = {
        name: wrap_spawn(name, getattr(module, name))
        for name in ("posix_spawn", "posix_spawnp", "execve")
        if hasattr(module, name)
    }
    found["execv"] = wrap_execv(module.execv)  # type: ignore[attr-defined]
    return found
