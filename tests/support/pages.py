"""The pages of the documentation as tests read them: their fenced blocks, and the commands in those, played.

Of a shown output, `…` stands for any text, and alone on its line for any number of lines.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.guard import clean_environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: The port that pages serve on; a test takes a free one of as many digits, so that tables keep their width.
PORT = "8765"

#: How a shown output says that its command ends with another status than 0.
STATUS = re.compile(r"\[status (\d+)\]")


class Fence(NamedTuple):
    """A fenced block: the words behind its fence, and its text without the block's own indent."""

    info: str
    text: str


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of a page, in order."""
    found = re.findall(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [Fence(info, re.sub(rf"(?m)^{indent}", "", text)) for indent, info, text in found]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"(?m)^( *)```.*\n(?:.*\n)*?\1```$", "", page.read_text(encoding="utf-8"))


def pattern(expected: str) -> re.Pattern[str]:
    """The output that a shown one stands for."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.rstrip().split("…"))) + r" *\n"
        for line in expected.splitlines()
    ]
    return re.compile("".join(lines))


def assert_shown(expected: str, output: str) -> None:
    """The output is what the page shows."""
    output = output if output.endswith("\n") or not output else output + "\n"
    assert pattern(expected).fullmatch(output), f"the page shows:\n{expected}\nit says:\n{output}"


class Step(NamedTuple):
    """One command of a `console` block."""

    command: str
    expected: str
    status: int


def steps(text: str) -> Iterator[Step]:
    """The commands of a `console` block with what each prints."""
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, expected = re.fullmatch(r"((?:.*\\\n)*.*)\n?((?:.*\n?)*)", part).groups()
        status = STATUS.search(expected)
        yield Step(command, STATUS.sub("", expected).rstrip("\n"), int(status.group(1)) if status else 0)


def free_port() -> int:
    """A port of four digits on which nobody listens."""
    for port in range(int(PORT), 9_999):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


def tools(folder: Path) -> str:
    """A folder with the programs that the pages use, for PATH: this environment's, and a curl that is always there."""
    folder.mkdir()
    programs = {
        "python": f'exec "{sys.executable}" "$@"',
        "python3": f'exec "{sys.executable}" "$@"',
        "netguard": f'exec "{sys.executable}" -m netguard "$@"',
        "curl": "exit 1",
    }
    for name, line in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


def play(commands: list[str], folder: Path, port: int) -> list[tuple[str, int]]:
    """Run commands one after the other in one shell; the output and status of each. Nothing of it stays behind."""
    script = []
    for command in commands:
        script += [command, r"printf '\n\036%d\n' $?"]
        if command.endswith("&"):  # a person is slower than a server's start
            script.append(f"until (: > /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do :; done")
    work = folder / "work"
    work.mkdir()
    search = f"{tools(folder / 'bin')}:{os.environ['PATH']}"
    changes = {"PATH": search, "HOME": str(folder), "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8", "COLUMNS": None}
    process = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=work, env=clean_environment(str(folder), changes), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    found = re.findall(r"((?:.*\n)*?)\036(\d+)\n", output)
    assert len(found) == len(commands), output
    return [(text.removesuffix("\n"), int(status)) for text, status in found]


def play_page(page: Path, folder: Path, port: int, install: str = "") -> None:
    """Make every file of a page and run every command, in order, in an empty folder; all goes as the page shows.

    port:    what stands for the page's own.
    install: commands that are run before them, where they say so in another folder.
    """
    commands: list[str] = [install] if install else []
    expected: list[Step | None] = [None] * len(commands)
    for fence in fences(page):
        text = fence.text.replace(PORT, str(port))
        kind, _, name = fence.info.partition(" ")
        if name:
            commands.append(f"cat > {name} <<'END OF FILE'\n{text}END OF FILE")
            expected.append(None)
        elif kind == "console":
            found = list(steps(text))
            commands += [step.command for step in found]
            expected += found
    for step, (output, status) in zip(expected, play(commands, folder, port), strict=True):
        if step is not None:
            assert_shown(step.expected, output)
            assert status == step.status, f"{step.command}\n{output}"
