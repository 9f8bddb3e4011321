"""A guest that starts children in every way there is, in every environment there is; and the child.

Run as a script, plain or guarded: `starters.py RESULTS PORT FOLDER ROWS`. Each child tries to connect and adds a line
`TAG PID OUTCOME` to the results. Standard library of 3.9 only; it must not know netguard.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import multiprocessing
import multiprocessing.util
import os
import pty
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any

    Environ = Mapping[str, str] | None
    Way = Callable[[list[str], Environ], None]

RESULTS, PORT, FOLDER = sys.argv[1:4]

CHILD = """\
import os, _socket
def act(tag, results, port):
    sock = _socket.socket()
    try:
        sock.connect(("127.0.0.1", int(port)))
        outcome = "reached"
    except OSError as error:
        outcome = type(error).__name__
    fd = os.open(results, os.O_WRONLY | os.O_APPEND)
    os.write(fd, f"{tag} {os.getpid()} {outcome}\\n".encode())
    os.close(fd)
if __name__ == "__main__":
    import sys
    act(*sys.argv[1:4])
"""

sys.path.insert(0, FOLDER)

# Environments: name -> a function that gives the mapping, None for the process's own.


def poisoned(name: str, original: str) -> str:
    """A module's source that acts before it is what it should be."""
    act = CHILD.partition("if __name__")[0].replace("import os,", "import posix as os,")
    return f"{act}\nact({name!r}, {RESULTS!r}, {PORT!r})\n{original}"


def source(module: ModuleType) -> str:
    with open(module.__file__, encoding="utf-8") as file:
        return file.read()


def lay_traps() -> None:
    """Folders that a hostile path or cache leads to: `evil` has modules, `cache` has bytecode of ours and CPython's."""
    import encodings
    import importlib.util
    from importlib._bootstrap_external import _code_to_hash_pyc

    with open(os.path.join(FOLDER, "child.py"), "w") as file:
        file.write(CHILD)
    evil = os.path.join(FOLDER, "evil")
    os.makedirs(os.path.join(evil, "encodings"))
    with open(os.path.join(evil, "sitecustomize.py"), "w") as file:
        file.write(poisoned("evil-sitecustomize", ""))
    with open(os.path.join(evil, "encodings", "__init__.py"), "w") as file:
        path = os.path.dirname(encodings.__file__)
        file.write(poisoned("evil-encodings", f"__path__.append({path!r})\n" + source(encodings)))
    starters = json.loads(sys.argv[5])
    sys.pycache_prefix = os.path.join(FOLDER, "cache")
    for path, text in ((encodings.__file__, source(encodings)), *[(path, "") for path in starters]):
        target = importlib.util.cache_from_source(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        code = compile(poisoned("evil-cache", text), path, "exec")
        with open(target, "wb") as file:  # type: ignore[assignment]
            file.write(_code_to_hash_pyc(code, bytes(8), False))  # type: ignore[arg-type]
    sys.pycache_prefix = None


def with_path(first: str) -> dict[str, str]:
    path = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.path.join(FOLDER, first) + (os.pathsep + path if path else "")}


ENVIRONMENTS: dict[str, Callable[[], Any]] = {
    "inherited": lambda: None,
    "empty": dict,
    "copied": lambda: dict(os.environ),
    "cleaned": lambda: {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    "hostile": lambda: with_path("evil"),
    "cached": lambda: {**os.environ, "PYTHONPYCACHEPREFIX": os.path.join(FOLDER, "cache")},
    "forged": lambda: {**os.environ, "NETGUARD_CHANNEL": "", "NETGUARD_RUN": "x", "NETGUARD_POLICY": "/x"},
}


# Ways that take an environment: (argv, env) -> None once the child has ended.


def run(argv: list[str], env: Environ) -> None:
    subprocess.run(argv, env=env, check=False)


def run_open(argv: list[str], env: Environ) -> None:
    subprocess.run(argv, env=env, close_fds=False, check=False)


def run_preexec(argv: list[str], env: Environ) -> None:
    subprocess.run(argv, env=env, preexec_fn=os.setpgrp, check=False)


def shell(argv: list[str], env: Environ) -> None:
    subprocess.run(shlex.join(argv), env=env, shell=True, check=False)


def execve(argv: list[str], env: Environ) -> None:
    pid = os.fork()
    if not pid:
        os.execv(argv[0], argv) if env is None else os.execve(argv[0], argv, env)
    os.waitpid(pid, 0)


def spawnve(argv: list[str], env: Environ) -> None:
    os.spawnv(os.P_WAIT, argv[0], argv) if env is None else os.spawnve(os.P_WAIT, argv[0], argv, env)


def posix_spawn(argv: list[str], env: Environ) -> None:
    os.waitpid(os.posix_spawn(argv[0], argv, os.environ if env is None else env), 0)


def posix_spawnp(argv: list[str], env: Environ) -> None:
    os.environ["PATH"] = os.path.dirname(argv[0])
    name = os.path.basename(argv[0])
    os.waitpid(os.posix_spawnp(name, argv, os.environ if env is None else env), 0)


def aio(argv: list[str], env: Environ) -> None:
    async def go() -> None:
        await (await asyncio.create_subprocess_exec(*argv, env=env)).wait()

    asyncio.run(go())


# Ways that take none: the process's own, also after it was emptied or changed.


def system(argv: list[str], env: Environ) -> None:
    os.system(shlex.join(argv))


def popen(argv: list[str], env: Environ) -> None:
    os.popen(shlex.join(argv)).read()


def ptys(argv: list[str], env: Environ) -> None:
    pty.spawn(argv, lambda fd: os.read(fd, 99), lambda fd: b"")


def fork_exec(argv: list[str], env: Environ) -> None:
    words = [word.encode() for word in argv]
    os.waitpid(multiprocessing.util.spawnv_passfds(words[0], words, []), 0)


def process(method: str) -> Way:
    def start(argv: list[str], env: Environ) -> None:
        import child  # type: ignore[import-not-found]

        one = multiprocessing.get_context(method).Process(target=child.act, args=argv[2:])
        one.start()
        one.join()

    start.__name__ = method
    return start


def pool(argv: list[str], env: Environ) -> None:
    import child  # type: ignore[import-not-found]

    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as workers:
        workers.submit(child.act, *argv[2:]).result()


def shebang(argv: list[str], env: Environ) -> None:
    script = os.path.join(FOLDER, "script")
    with open(script, "w") as file:
        file.write(f"#!{argv[0]}\n{CHILD}")
    os.chmod(script, 0o755)
    subprocess.run([script, *argv[2:]], check=False)


def interpreter(argv: list[str], env: Environ) -> None:
    try:
        import _interpreters as sub
    except ImportError:
        import _xxsubinterpreters as sub
    one = sub.create()
    (getattr(sub, "run_string", None) or sub.exec)(one, f"{CHILD.partition('if __name__')[0]}\nact(*{argv[2:]!r})")


WITH_ENVIRONMENT = [run, run_open, run_preexec, shell, execve, spawnve, posix_spawn, posix_spawnp, aio]
WITHOUT = [system, popen, ptys, fork_exec, process("fork"), process("spawn"), process("forkserver"), pool, shebang,
           interpreter]  # fmt: skip
WAYS = {way.__name__: way for way in [*WITH_ENVIRONMENT, *WITHOUT]}


def cleared(way: str, argv: list[str]) -> None:
    """In a process of its own: what the C environment is after the guest has done with it what it can."""
    kept = dict(os.environ)
    os.environ.clear()
    os.putenv("PYTHONPATH", os.path.join(FOLDER, "evil"))
    os.putenv("NETGUARD_CHANNEL", "@other")
    os.unsetenv("NETGUARD_RUN")
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(FOLDER, "cache")
    try:
        WAYS[way](argv, None)
    finally:
        os.environ.clear()
        os.environ.update(kept)


def main() -> None:
    """Starts one child for each row (way, environment, interpreter)."""
    lay_traps()
    for way, name, python in json.loads(sys.argv[4]):
        argv = [python, os.path.join(FOLDER, "child.py"), f"{way}/{name}/{os.path.basename(python)}", RESULTS, PORT]
        path = os.environ["PATH"]
        try:
            if name == "cleared":
                cleared(way, argv)
            else:
                WAYS[way](argv, ENVIRONMENTS[name]())
        finally:
            os.environ["PATH"] = path


if __name__ == "__main__":
    main()
