"""What a key pressed completes, in the shells themselves: bash and zsh on a terminal, fish by its own question.

Each shell is told to write all that fits into its line, and to say then what stands there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netguard.commands import COMMANDS
from netguard.commands.completion import SHELLS
from netguard.commands.manual import arguments, parser_of
from netguard.commands.run import VALUED
from netguard.paths import share_dir
from netguard.policy.load import pack_names
from tests.supervisor.terminal import Terminal

SHARE = Path(share_dir())

#: What makes a shell write every match into the line at TAB, and print the line at CTRL-G.
SHOWN = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "source '{file}'; bind '\"\\t\": insert-completions'; bind 'set bell-style none'; unset HISTFILE\n"
        "show() {{ printf '{{%s}}' \"$READLINE_LINE\"; }}; bind -x '\"\\C-g\": show'\n",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "fpath=('{folder}' $fpath); autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste; unsetopt beep\n"
        "zstyle ':completion:*' completer _all_matches _complete; zstyle ':completion:*' insert yes\n"
        "show() {{ print -rn -- '{{'$BUFFER'}}' }}; zle -N show; bindkey '^G' show\n",
    ),
}
TAB, SHOW, CLEAR = b"\t", b"\x07", b"\x15"

PRESENT = [
    pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed"))
    for shell in SHELLS
]


PRESENT_ZSH = pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something of each sort, and a command to complete."""
    for name in ("job.py", "notes.txt", "rules.yaml", "two words.yaml", "bin/netguard-tried"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(mode=0o755)
    return tmp_path


class Asked:
    """A shell that is asked what completes a line."""

    def __init__(self, shell: str, folder: Path, before: str = "") -> None:
        self.shell = shell
        self.folder = folder
        self.file = SHARE / SHELLS[shell]
        self.path = f"{folder / 'bin'}:/usr/bin:/bin"
        self.terminal: Terminal | None = None
        if shell in SHOWN:
            argv, commands = SHOWN[shell]
            self.terminal = Terminal(["env", "-C", str(folder), *argv], PATH=self.path, HOME=str(folder), PS1="> ")
            self.terminal.resize(50, 2_000)  # lines are not wrapped
            for line in [*commands.format(file=self.file, folder=self.file.parent).splitlines(), before]:
                self.terminal.type(line)
            self.terminal.type("echo rea''dy")
            self.terminal.expect("ready\r\n")

    def line(self, line: str) -> list[str]:
        """The words that can stand where the line ends."""
        if self.terminal is None:
            script = "cd $argv[1]; set -gx PATH $argv[2..3]; source $argv[4]; complete -C $argv[5]"
            words = [str(self.folder), *self.path.split(":")[:2], str(self.file), line]
            done = subprocess.run(
                ["fish", "--no-config", "-c", script, *words], capture_output=True, text=True, timeout=60, check=True
            )
            assert done.stderr == ""
            return [found.split("\t")[0].rstrip("/") for found in done.stdout.splitlines()]
        self.terminal.type(line.encode() + TAB + SHOW)
        self.terminal.expect("{netguard")
        found = self.terminal.expect("}")
        self.terminal.type(CLEAR)
        kept = line[len("netguard") : len(line) - len(line.split(" ")[-1])]
        words = re.split(r"(?<!\\) ", found.removeprefix(kept).strip())
        return [word.replace("\\", "").rstrip("/") for word in words]


@pytest.fixture(params=PRESENT)
def asked(request: pytest.FixtureRequest, folder: Path) -> Iterator[Asked]:
    shell = Asked(request.param, folder)
    yield shell
    if shell.terminal is not None:
        shell.terminal.close()


FILES = {"job.py", "notes.txt", "rules.yaml", "two words.yaml", "bin"}
RULES = {*FILES, *pack_names()}

#: A line, and what completes it. Of more than these, a shell may say more only where `…` stands.
LINES: dict[str, tuple[str, set[str]]] = {
    "commands": ("netguard ", {*COMMANDS, "…"}),
    "command": ("netguard ch", {"check"}),
    "option": ("netguard run --ru", {"--rules", "…"}),
    "pack": ("netguard run --rules ag", {"agent"}),
    "rules": ("netguard run --rules ", RULES),
    "file-with-space": ("netguard run --rules tw", {"two words.yaml"}),
    "choice": ("netguard run --wall ", {"auto", "require", "off"}),
    "behind-values": ("netguard run --tag a=b --log unix:@x --rules agent --qu", {"--quiet"}),
    "script": ("netguard run jo", {"job.py"}),
    "guest-argument": ("netguard run job.py no", {"notes.txt"}),
    "guest-module": ("netguard run -m pytest no", {"notes.txt"}),
    "guest-command": ("netguard run --rules agent -- netguard-tr", {"netguard-tried"}),
    "guest-command-argument": ("netguard run -- netguard-tried no", {"notes.txt"}),
    "several": ("netguard check rules.yaml ag", {"agent"}),
    "folder": ("netguard status --venv ", {"bin"}),
    "words": ("netguard completion ", set(SHELLS)),
    "line": ("netguard schema --line t", {"toml"}),
}


@pytest.mark.parametrize(("line", "wanted"), LINES.values(), ids=LINES)
def test_line_is_completed(asked: Asked, line: str, wanted: set[str]) -> None:
    found = {word.rstrip("=") for word in asked.line(line)}
    assert wanted - {"…"} <= found
    assert "…" in wanted or found == wanted


@pytest.mark.parametrize(
    "line", ["netguard run job.py --qu", "netguard run --log-fd ", "netguard run -- netguard-tried --qu"]
)
def test_nothing_is_proposed_where_nothing_is_known(asked: Asked, line: str) -> None:
    """What belongs to the guest is never taken for an option of netguard's."""
    assert set(asked.line(line)) <= {line.split(" ")[-1]}


#: Files whose names are commands, each of which makes a file `ran` where a shell takes it for more than a word.
HOSTILE = ("zz$(touch ran)", "zz`touch ran`", "zz;touch ran;", "zz&touch ran&", "zz\n$(touch ran)", "zz'q$(touch ran)'")


@pytest.mark.parametrize(
    "line",
    ["run zz", "run --rules zz", "run --log zz", "run job.py zz", "run -- ./zz", "run -- zz", "run -- ls zz"],
)
@pytest.mark.parametrize("shell", [shell for shell in PRESENT if shell.values[0] in SHOWN])
def test_name_of_a_file_is_never_a_command(shell: str, folder: Path, line: str) -> None:
    """All that completes the line is put there, and the line is sent off: the guest may have named those files."""
    for name in HOSTILE:
        (folder / name).touch(mode=0o755)
        (folder / "bin" / name).touch(mode=0o755)
    asked = Asked(shell, folder, "netguard() { :; }")
    assert asked.terminal is not None
    try:
        asked.terminal.type(f"netguard {line}".encode() + TAB)
        asked.terminal.type("")
        asked.terminal.type("echo do''ne")
        asked.terminal.expect("done\r\n")
    finally:
        asked.terminal.close()
    assert not (folder / "ran").exists()


@PRESENT_ZSH
def test_zsh_may_read_it_as_a_script(folder: Path) -> None:
    """As `source <(netguard completion zsh)` does; above it is found by its name."""
    shell = Asked(
        "zsh",
        folder,
        "unset '_comps[netguard]'; unfunction _netguard; source <(cat '{}')".format(SHARE / SHELLS["zsh"]),
    )
    assert shell.terminal is not None
    try:
        assert shell.line("netguard run --wall ") == ["auto", "off", "require"]
    finally:
        shell.terminal.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_completed(shell: str) -> None:
    text = (SHARE / SHELLS[shell]).read_text(encoding="utf-8")
    for name in COMMANDS:
        for action in arguments(parser_of(name)):
            for option in action.option_strings:
                assert re.search(rf"{option}\b|-l {option[2:]}\b", text), f"{name} {option}"


def test_run_knows_which_options_take_a_word() -> None:
    """Where the guest begins is told without argparse, by the shells too."""
    taking = {action.option_strings[-1] for action in arguments(parser_of("run")) if action.nargs != 0}
    assert taking == VALUED
