"""What the user asked to run, as the program and the exact arguments that will be started.

`parse` only looks things up; it starts nothing. What is wrong inside a script is for Python itself to say, in its own
words; only what can not be started at all is an error here.
"""

from __future__ import annotations

import os
import stat
import sys

from netguard.core.interpreter import HEAD_BYTES, blinding_option, goes_through, is_python, options_of
from netguard.errors import NotExecutable, NotFound, StartError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FD_FOLDERS = ("/dev/fd/", "/proc/self/fd/")


class Target:
    """One program to start.

    program:   path given to exec; holds a "/" unless PATH has an entry for the current folder.
    argv:      every argument, the program's own name first.
    is_python: a CPython interpreter, or a script whose first line names one: the shim must report.
    script:    what a person calls it: the script's path, "-m NAME", "-c", or the command.
    blind:     the interpreter's option that keeps the shim from starting ("-I"), "" when there is none.
    fds:       descriptors above 2 that the user named in the arguments, as a shell's <(...) does.
    """

    __slots__ = ("argv", "blind", "fds", "is_python", "program", "script")

    def __init__(self, program: str, argv: tuple[str, ...], is_python: bool, script: str, blind: str = "") -> None:
        self.program = program
        self.argv = argv
        self.is_python = is_python
        self.script = script
        self.blind = blind
        self.fds = tuple(named_fds(argv))

    def brings_rights(self) -> bool:
        """Whether its file would give it rights that we do not have, as those of `sudo` and `ping` do."""
        try:
            found = os.stat(self.program)
            others = found.st_uid != os.geteuid() and os.geteuid() != 0
            named = os.listxattr(self.program) if others else []
        except OSError:
            return False
        return others and (bool(found.st_mode & stat.S_ISUID) or "security.capability" in named)


def parse(words: Sequence[str], environ: Mapping[str, str]) -> Target:
    """Turn what stands after netguard's own options into a Target.

    words:   `script.py args…`, `-m module args…`, `-c code args…`, or `-- command args…`.
    environ: the guest's environment; PATH is taken from it.

    Raises UsageError (nothing to run), NotFound (127), NotExecutable (126), StartError (no interpreter is known).
    """
    if not words:
        raise UsageError("nothing to run: give a script, -m MODULE, -c CODE, or -- COMMAND")
    if words[0] == "--":
        return command(words[1:], environ)
    return python(words)


def python(words: Sequence[str]) -> Target:
    """A script, module or piece of code for the interpreter that runs netguard."""
    if not sys.executable:
        raise StartError("this Python does not know its own path (sys.executable is empty)")
    first = words[0]
    if first[:2] in ("-m", "-c"):
        if len(first) == 2 and len(words) == 1:
            raise UsageError(f"{first} wants {'a module name' if first == '-m' else 'code'}")
        name = f"-m {first[2:] or words[1]}" if first[1] == "m" else "-c"
        return Target(sys.executable, (sys.executable, *words), True, name)
    if first.startswith("-") and first != "-":
        raise UsageError(f"{first} is neither an option of netguard nor a script (write ./{first} for a script)")
    if first != "-" and not os.path.exists(first):
        raise NotFound(f"{first}: no such script (a command on PATH is run as: -- {first} …)")
    return Target(sys.executable, (sys.executable, *words), True, first)


def command(words: Sequence[str], environ: Mapping[str, str]) -> Target:
    """Any program, found as execvp finds it."""
    if not words:
        raise UsageError("nothing to run: -- wants a command")
    program = resolve(words[0], environ.get("PATH", os.defpath))
    flags = interpreter_flags(program, os.path.realpath(program), words)
    blind = "" if flags is None else blinding_option(flags)
    return Target(program, tuple(words), flags is not None, words[0], blind)


def second(target: Target, environ: Mapping[str, str]) -> str:
    """The real path of what the target itself starts in a second step, where its first line says so; else ""."""
    name = goes_through(head_of(target.program))
    try:
        return os.path.realpath(resolve(name, environ.get("PATH", os.defpath))) if name else ""
    except StartError:
        return ""


def resolve(name: str, search: str) -> str:
    """The path execvp would run for `name` with PATH `search`: the first that can be run, wherever it stands.

    Raises NotFound, or NotExecutable when something of that name is there and can not be run.
    """
    refused = ""
    for place in places(name, search):
        try:
            mode = os.stat(place).st_mode
        except OSError as error:
            # A folder that may not be searched is "permission denied" to execvp, not "not found".
            refused = refused or (place if isinstance(error, PermissionError) else "")
            continue
        if stat.S_ISREG(mode) and os.access(place, os.X_OK):
            return place
        refused = refused or place
    if refused:
        raise NotExecutable(f"{refused}: is there and can not be run")
    raise NotFound(f"{name}: no such command")


def places(name: str, search: str) -> list[str]:
    """Where execvp looks for `name`, in order. An empty entry of PATH is the current folder."""
    if not name or "/" in name:
        return [name] if name else []
    return [os.path.join(folder, name) for folder in search.split(os.pathsep)]


def interpreter_flags(program: str, real: str, words: Sequence[str], folder: str = "") -> Sequence[str] | None:
    """The arguments Python itself will read when `program` is or starts an interpreter, else None.

    real:   the program's path with its links followed.
    folder: of the process that starts it, where its arguments name a relative path.
    """
    head = b"" if is_python(program, real) else head_of(program)

    def exists(path: str) -> bool:
        return os.path.exists(os.path.join(folder, path))

    return options_of(program, real, head, words, os.path.realpath, exists)


def head_of(program: str) -> bytes:
    """The beginning of a program's file. It may be run without being readable, and is then no script: nothing."""
    try:
        fd = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def named_fds(words: Sequence[str]) -> Iterator[int]:
    """Descriptors above 2 written as /dev/fd/N, alone or after an equals sign: what a shell makes of <(command)."""
    for word in words:
        path = word.rpartition("=")[2]
        for folder in FD_FOLDERS:
            number = path[len(folder) :] if path.startswith(folder) else ""
            if number.isascii() and number.isdigit() and int(number[:9]) > 2:
                yield int(number[:9])
