"""A network that nothing can leave: a namespace with only `lo`, its servers inside, and commands run beside them.

Needs Linux and either root or user namespaces that anyone may make; `missing()` says what is not there.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

SUPPORT = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(SUPPORT))

#: Isolated and without site: what starts a namespace or enters one must not itself be guarded.
_PLAIN = (sys.executable, "-I", "-S")


def isolated(command: Sequence[str], *, anywhere: bool = False, server: str = "") -> list[str]:
    """The argument list that runs `command` in a namespace of its own.

    anywhere: every address, IPv4 and IPv6, is this machine's: what would have left reaches a wildcard server instead.
    server:   the name server that resolv.conf names; else it is 127.0.0.1.
    """
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    inside = [*_PLAIN, os.path.join(SUPPORT, "inside.py"), *(["--anywhere"] if anywhere else [])]
    inside += [*([f"--server={server}"] if server else []), "--"]
    return ["unshare", *as_root, "--net", "--mount", *inside, *command]


@functools.cache
def missing() -> str:
    """What this machine lacks to isolate a command; empty when nothing."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if not shutil.which("unshare"):
        return "the program unshare (util-linux)"
    tried = subprocess.run(isolated(["true"], anywhere=True), capture_output=True, text=True, check=False)
    if tried.returncode:
        return "the right to make a network namespace: " + (tried.stderr.strip().splitlines() or ["unshare failed"])[-1]
    return ""


class Remote:
    """A server inside a namespace.

    port, url, path, ca_file: where it is, as far as that applies to it.
    """

    def __init__(self, namespace: Namespace, about: dict[str, Any]) -> None:
        self._namespace = namespace
        self._number: int = about["number"]
        self.port: int = about.get("port", 0)
        self.url: str = about.get("url", "")
        self.path: str = about.get("path", "")
        self.ca_file: str = about.get("ca_file", "")

    def seen(self) -> dict[str, Any]:
        """What it saw so far: `connections` and `hits`, `received` or `questions`, by its kind."""
        return self._namespace.order("seen", number=self._number)


class Namespace:
    """A namespace that lives as long as the `with` block.

        with Namespace() as space:
            space.open("dns", names={"api.example.test": ["127.0.0.1"]}, port=53)
            api = space.open("http", port=80)
            subprocess.run(space.command(["curl", "http://api.example.test/"]))
            assert len(api.seen()["hits"]) == 1

    Everything said to `open` is passed on to the server's class (web, dns, echo; kinds: http https dns tcp udp unix).
    """

    def __init__(self, *, anywhere: bool = False, server: str = "") -> None:
        self.anywhere = anywhere
        self.server = server

    def __enter__(self) -> Self:
        command = isolated([sys.executable, "-m", "tests.support.stage"], anywhere=self.anywhere, server=self.server)
        self._stage = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()  # once it speaks, the namespaces are there to be entered
        return self

    def __exit__(self, *_: object) -> None:
        with self._stage:
            pass  # closing its input ends it

    def command(self, command: Sequence[str]) -> list[str]:
        """The argument list that runs `command` in this namespace."""
        return [*_PLAIN, os.path.join(SUPPORT, "enter.py"), str(self._stage.pid), "--", *command]

    def open(self, kind: str, **options: Any) -> Remote:
        """Start a server inside. Raises RuntimeError with the server's own error."""
        return Remote(self, self.order("open", kind=kind, **options))

    def order(self, do: str, **options: Any) -> dict[str, Any]:
        """Have the stage do something and return its answer."""
        assert self._stage.stdin
        print(json.dumps({"do": do, **options}), file=self._stage.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._stage.stdout
        line = self._stage.stdout.readline()
        if not line:
            raise RuntimeError(f"the namespace's stage ended with status {self._stage.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
