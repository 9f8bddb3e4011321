"""The functions that start programs, wrapped: their arguments are made exact, so that what is judged is what is
started.

`posix_spawn` and `exec*` raise their event with the caller's live list in it, which a thread can change after the
hook has looked; here they get a copy that nobody else holds. `_posixsubprocess.fork_exec` raises no event before
3.14, so the question is put here in its name. Where C would try one place after the other, the one that it would take
is looked for here, so that one act is one question and no other program can come in its place meanwhile.
"""

from __future__ import annotations

import sys
from posix import X_OK, access, getcwdb, stat

from . import exact
from .arguments import NOWHERE
from .environment import Environment, Hold
from .hook import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

#: From here on `fork_exec` raises its own event, which the hook hears.
_FORK_EXEC_HAS_EVENT = sys.version_info >= (3, 14)

#: Bits of `st_mode` that say what a file is, and their value for a regular one (inode(7)).
S_IFMT, S_IFREG = 0o170000, 0o100000

#: Where libc looks without a PATH in the environment (posix_spawn(3), _CS_PATH).
DEFAULT_PATH = b"/bin:/usr/bin"

ENOENT = 2


def wrap_fork_exec(witness: Witness, original: Callable[..., object]) -> Callable[..., object]:
    """Returns `fork_exec(args, executable_list, close_fds, pass_fds, cwd, env, …)`.

    The child tries the programs in its own folder, after `preexec_fn`. It gets one, by a path that means the same
    there.
    """
    environment = witness.environment

    def fork_exec(_: object, argv: object, programs: object, *rest: object) -> object:
        if len(rest) < 4:
            return original(argv, programs, *rest)  # for C to refuse: there are many more
        close, fds, cwd, env, *more = rest
        argv, env = exact.paths(argv), environment.entries(env)
        stays = cwd is None and not any([callable(value) for value in more])  # the one callable is preexec_fn
        program = choose(exact.paths(programs), None if cwd is None else exact.system(cwd), stays)
        with Hold(environment, env):
            if not _FORK_EXEC_HAS_EVENT:
                witness.saw("_posixsubprocess.fork_exec", ((program,), argv, env))
            return original(argv, (program,), close, environment.passed(fds), cwd, env, *more)

    return fork_exec


def choose(programs: list[bytes], folder: bytes | None, stays: bool) -> bytes:
    """The first of the programs that can be started, else the one whose failing tells why none can.

    folder: where relative ones are; None is where we are.  stays: a relative one means the same in the child.
    """
    blocked, missing = None, NOWHERE[0]
    for program in programs:
        path = program
        if not program.startswith(b"/"):
            path = b"%b/%b" % (getcwdb() if folder is None else folder, program)
        state = _state(path)
        if state is None:
            return program if stays else path
        if state not in NOWHERE:
            blocked = blocked or state
        else:
            missing = state
    return blocked or missing


def _state(path: bytes) -> bytes | None:
    """None for a program that can be started, else what to start in its place so as to fail as it would.

    What is not there is replaced by what never will be: it could be put there after our look. What is there and no
    program (a folder, a file without the right) is judged as itself.
    """
    try:
        mode = stat(path).st_mode
    except NotADirectoryError:
        return NOWHERE[1]
    except (OSError, ValueError):  # ValueError: a NUL in it
        return NOWHERE[0]
    return None if mode & S_IFMT == S_IFREG and access(path, X_OK) else path


def wrap_spawn(original: Callable[..., object], environment: Environment) -> Callable[..., object]:
    """Returns `posix_spawn` or `execve`: (path, argv, env, …)."""

    def spawn(_: object, path: object, argv: object, env: object, **options: object) -> object:
        with Hold(environment, env):  # from 3.13 on it may be None
            return original(exact.name(path), exact.items(argv), environment.mapping(env), **options)

    return spawn


def wrap_spawnp(spawn: Callable[..., object]) -> Callable[..., object]:
    """Returns `posix_spawnp`: a name is looked for along PATH here, not in C, which would not say what it found."""

    def posix_spawnp(_: object, path: object, argv: object, env: object, **options: object) -> object:
        file = exact.name(path)
        if type(file) is str or type(file) is bytes:
            file = along_path(file)
        return spawn(_, file, argv, env, **options)

    return posix_spawnp


def wrap_execv(original: Callable[..., object], environment: Environment) -> Callable[..., object]:
    """Returns `execv(path, argv)`."""

    def execv(_: object, path: object, argv: object, /) -> object:
        with Hold(environment, None):
            return original(exact.name(path), exact.items(argv))

    return execv


def wrap_execvpe(module: ModuleType) -> Callable[..., object]:
    """Returns `os._execvpe`, behind `execvp`, `execlp` and `spawnvp`: it takes the first place where the file is.

    The original goes on to the next place when one is refused, and would ask for each.
    """
    original: Callable[..., object] = module._execvpe

    def execvpe(_: object, file: object, args: object, env: object = None) -> object:
        name = exact.name(file)
        if type(name) is str or type(name) is bytes:
            text = exact.system(name)
            if text and b"/" not in text:
                places = exact.paths(module.get_exec_path(env))
                found = [path for path in [b"%b/%b" % (place, text) for place in places] if _state(path) is None]
                name = found[0] if found else name
        return original(name, args, env)

    return execvpe


def along_path(file: str | bytes) -> str | bytes:
    """The program that a name without a slash means to libc, as the environment is now."""
    name = exact.system(file)
    if b"/" in name:
        return file
    places = _variable(b"PATH", DEFAULT_PATH).split(b":")
    state = choose([b"%b/%b" % (place or b".", name) for place in places], None, True)
    if state in NOWHERE:
        raise FileNotFoundError(ENOENT, "No such file or directory", file)
    return state


def _variable(name: bytes, default: bytes) -> bytes:
    """A variable of the environment; what is not plain is as good as not set."""
    data = getattr(sys.modules["os"].environ, "_data", None)
    value = dict.get(data, name) if type(data) is dict else None
    return value if type(value) is bytes else default


def wrap_posix(module: ModuleType, environment: Environment) -> dict[str, Callable[..., object]]:
    """Returns name -> function for what `posix` has of these and `os` has copied."""
    names = [name for name in ("posix_spawn", "execve") if hasattr(module, name)]
    found = {name: wrap_spawn(getattr(module, name), environment) for name in names}
    if hasattr(module, "posix_spawnp"):
        found["posix_spawnp"] = wrap_spawnp(found["posix_spawn"])
    found["execv"] = wrap_execv(module.execv, environment)
    return found
