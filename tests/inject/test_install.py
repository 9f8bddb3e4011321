"""A guard in a virtual environment: what is put there, that it asks at every start, and that all of it goes again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.errors import InstallError
from netguard.inject import install, settings, venv
from netguard.inject.install import PTH, is_ours, pth_line
from tests.inject.environments import POLICY, TELLS, VARIABLES, bare, start, tree
from tests.support.interpreters import Interpreter
from tests.support.isolation import missing


@pytest.fixture
def environment(tmp_path: Path) -> venv.Venv:
    return bare(sys.executable, tmp_path / "venv")


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    """Stands for the starter, in a folder whose name has to be quoted."""
    path = tmp_path / "the 'starter' é" / "sitecustomize.py"
    path.parent.mkdir()
    path.write_text(TELLS)
    return path


def put(environment: venv.Venv, starter: Path | str, *, copy: bool = False, policy: bytes = POLICY) -> bool:
    return install.install(environment, policy, VARIABLES, str(starter), copy=copy)


# What the line does


#: What keeps an interpreter from its variables or the user's own folders, and not from this.
FLAGS = [[], ["-E"], ["-I"], ["-s"], ["-B"], ["-X", "utf8"]]


@pytest.mark.parametrize("flags", FLAGS, ids=["-".join(flags) or "plain" for flags in FLAGS])
def test_line_runs_the_starter_at_every_start(
    flags: list[str], interpreter: Interpreter, tmp_path: Path, starter: Path
) -> None:
    environment = bare(interpreter.path, tmp_path / "venv")
    control = start(environment, *flags, "-c", "print('program')")
    assert control.stdout == "program\n"
    put(environment, starter)
    done = start(environment, *flags, "-c", "print('program')", env={"LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (0, "")
    *told, program = done.stdout.split("|")
    assert program == "program\n"
    # `site` may run a line twice; that it is one guard is the starter's part.
    assert set(told) == {f"netguard.pth {starter} {environment.folder}/netguard/settings"}


def test_line_does_not_run_without_site(environment: venv.Venv, starter: Path) -> None:
    """The documentation says so: this is what remains."""
    put(environment, starter)
    assert start(environment, "-S", "-c", "print('program')").stdout == "program\n"


def test_line_leaves_no_names_behind(starter: Path) -> None:
    """`site` runs it among its own names."""
    code = f"space = {{}}; exec({pth_line(str(starter), '/s', '/p')!r}, space); print(sorted(space))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"netguard.pth {starter} /s|['__builtins__', 'sys']\n"


BROKEN = {
    "missing": (None, "FileNotFoundError: "),
    "no Python": ("def", "SyntaxError: "),
    "no text": (b"\xff", "UnicodeDecodeError: "),
    "raising": ("raise RuntimeError('a \\'b\\' \\n \\x1b é')", "RuntimeError: "),
    "leaving": ("raise SystemExit(0)", "SystemExit: 0"),
    "cut short": ("", "RuntimeError: the starter did not start one"),
    "an import": ("import no_such_module", "ModuleNotFoundError: "),
}


@pytest.mark.parametrize(("content", "says"), BROKEN.values(), ids=BROKEN)
def test_starter_that_fails_stops_the_program(
    content: str | bytes | None, says: str, interpreter: Interpreter, tmp_path: Path, starter: Path
) -> None:
    """`site` itself would print the error and run the program unguarded."""
    environment = bare(interpreter.path, tmp_path / "venv")
    put(environment, starter)
    if content is None:
        starter.unlink()
    else:
        starter.write_bytes(content if isinstance(content, bytes) else content.encode())
    for flags in ([], ["-I"]):
        done = start(environment, *flags, "-c", "print('program')")
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr.startswith(f"netguard: the guard could not start, so the program was stopped: {says}")
        assert done.stderr.endswith(f"(asked for by {environment.sites[0]}/{PTH})\n")
        assert done.stderr.count("\n") == 1
        assert done.stderr.rstrip("\n").isprintable()


def test_starter_that_fails_stops_the_program_without_standard_error(environment: venv.Venv, starter: Path) -> None:
    put(environment, starter)
    starter.unlink()
    words = ["sh", "-c", f"'{environment.python}' -c 'print(1)' 2>&-"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")


def test_control_a_plain_line_fails_open(environment: venv.Venv) -> None:
    """Why the line ends the process by itself."""
    Path(environment.sites[0], "plain.pth").write_text("import sys; open('/nonexistent')\n")
    done = start(environment, "-c", "print('program')")
    assert (done.returncode, done.stdout) == (0, "program\n")


@pytest.mark.parametrize("name", ["a.pth", "00.pth", "__editable__.x.pth", "_virtualenv.pth", "-x.pth", "+1.pth"])
def test_line_runs_before_other_pth_files(name: str, interpreter: Interpreter, tmp_path: Path, starter: Path) -> None:
    """They run in the order of their names, and what runs before a guard can keep it out."""
    environment = bare(interpreter.path, tmp_path / "venv")
    put(environment, starter)
    Path(environment.sites[0], name).write_text("import os; os.write(1, b'other|')\n")
    assert start(environment, "-c", "").stdout.startswith("netguard.pth ")


def test_line_is_one_and_plain() -> None:
    line = pth_line("/a\nb'\"é{}%s/s.py", "/p\\", "/q")
    assert line.isascii()
    assert line.count("\n") == 1
    assert is_ours(line)
    assert line.startswith("import sys; ")
    assert not is_ours("import sys; exec('print(1)', {})\n")


# What is put where


def test_install_makes_these_files_read_only(environment: venv.Venv, starter: Path) -> None:
    before = tree(environment.folder)
    assert put(environment, starter)
    made = {path: mode & 0o777 for path, (mode, _) in tree(environment.folder).items() if path not in before}
    own = environment.folder + "/netguard"
    assert made == {
        own: 0o755,
        own + "/policy": 0o444,
        own + "/settings": 0o444,
        own + "/installed": 0o444,
        environment.sites[0] + "/" + PTH: 0o444,
    }
    assert Path(own, "policy").read_bytes() == POLICY
    assert settings.from_text(Path(own, "settings").read_text()) == VARIABLES


@pytest.mark.parametrize("copy", [False, True])
def test_installing_twice_is_once(copy: bool, environment: venv.Venv, starter: Path) -> None:
    assert put(environment, starter, copy=copy)
    before = tree(environment.folder)
    assert not put(environment, starter, copy=copy)
    assert tree(environment.folder) == before


def test_installing_again_brings_up_to_date(environment: venv.Venv, starter: Path) -> None:
    """Another policy, and no copy any more: what is not needed goes."""
    put(environment, starter, copy=True)
    assert Path(environment.folder, "netguard/shim/start.py").exists()
    Path(environment.folder, "netguard/__pycache__").mkdir(exist_ok=True)
    Path(environment.folder, "netguard/__pycache__/denied.cpython-312.pyc").touch()
    Path(environment.folder, "netguard/shim/__pycache__").mkdir(exist_ok=True)
    Path(environment.folder, "netguard/shim/__pycache__/start.cpython-312.pyc").touch()
    policy = POLICY.replace(b"deny", b"log")
    assert put(environment, starter, policy=policy)
    assert sorted(os.listdir(environment.folder + "/netguard")) == ["installed", "policy", "settings"]
    assert Path(environment.folder, "netguard/policy").read_bytes() == policy


# Uninstalling


@pytest.mark.parametrize("copy", [False, True])
def test_uninstall_removes_what_install_made_and_nothing_else(
    copy: bool, environment: venv.Venv, starter: Path
) -> None:
    neighbour = Path(environment.sites[0], "neighbour.pth")
    neighbour.write_text("import os\n")
    before = tree(environment.folder)
    put(environment, starter, copy=copy)
    start(environment, "-c", "")
    removed, left = install.uninstall(environment)
    assert left == []
    assert len(removed) >= 4
    assert tree(environment.folder) == before
    assert install.uninstall(environment) == ([], [])


def test_uninstall_leaves_what_somebody_changed(environment: venv.Venv, starter: Path) -> None:
    put(environment, starter)
    own = Path(environment.folder, "netguard")
    (own / "policy").chmod(0o644)
    (own / "policy").write_text("mine")
    (own / "notes").write_text("mine too")
    pth = Path(environment.sites[0], PTH)
    pth.chmod(0o644)
    pth.write_text("import os\n")
    removed, left = install.uninstall(environment)
    assert sorted(left) == sorted([str(own / "policy"), str(pth)])
    assert str(own / "settings") in removed
    assert sorted(os.listdir(own)) == ["notes", "policy"]


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "a/../../../secret", "./policy", "", "a\x1b[2J"])
def test_uninstall_trusts_no_record_that_leads_out(
    name: str, environment: venv.Venv, starter: Path, tmp_path: Path
) -> None:
    """Who can write the record must not make another user remove a file of theirs."""
    put(environment, starter)
    (tmp_path / "secret").write_text("kept")
    record = Path(environment.folder, "netguard/installed")
    record.chmod(0o644)
    sha = install.files.digest(b"kept")
    record.write_text(record.read_text() + f"file {sha} {name}\n")
    with pytest.raises(InstallError, match="is no record"):
        install.uninstall(environment)
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize("link", ["netguard", "netguard/shim"])
def test_uninstall_follows_no_link_out(link: str, environment: venv.Venv, starter: Path, tmp_path: Path) -> None:
    """The same by a folder that leads elsewhere."""
    put(environment, starter, copy=True)
    place = Path(environment.folder, link)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    if link == "netguard":
        with pytest.raises(InstallError, match="is no folder"):
            install.uninstall(environment)
    else:
        assert str(place / "start.py") in install.uninstall(environment)[1]
    assert tree(tmp_path / "elsewhere") == before


# What is refused

INSTALL = """
import sys
from netguard.inject import install, venv
try: install.install(venv.find(sys.argv[1]), b"", {}, sys.argv[2], copy=False)
except Exception as error: print(type(error).__name__, error)
"""


def refused(folder: Path, reason: str) -> None:
    with pytest.raises(InstallError, match=reason):
        venv.find(str(folder))


def test_no_environment_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is no virtual environment")
    refused(tmp_path / "none", "is no virtual environment")
    (tmp_path / "pyvenv.cfg").write_text("version = 3.12.1\n")
    refused(tmp_path, "no lib/python3")
    (tmp_path / "lib" / "pypy3.10" / "site-packages").mkdir(parents=True)
    refused(tmp_path, "no lib/python3")


@pytest.mark.parametrize("config", ["version = 3.8.18\n", "version_info = 3.8.18.final.0\n", ""])
def test_old_python_is_refused(config: str, tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text(config)
    (tmp_path / "lib" / "python3.8" / "site-packages").mkdir(parents=True)
    refused(tmp_path, "its Python is 3.8; a guest's is 3.9 or later")


def test_python_that_was_changed_has_several_places(tmp_path: Path, starter: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version = 3.13.0\n")
    for name in ("python3.12", "python3.13", "python3.13t"):
        (tmp_path / "lib" / name / "site-packages").mkdir(parents=True)
    found = venv.find(str(tmp_path))
    put(found, starter)
    made = sorted(path.parts[-3] for path in tmp_path.rglob(PTH))
    assert made == ["python3.12", "python3.13", "python3.13t"]
    install.uninstall(found)
    assert not list(tmp_path.rglob(PTH))


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("place", ["", "lib/*/site-packages"])
def test_environment_that_cannot_be_written_is_refused_before_anything_is(
    place: str, environment: venv.Venv, starter: Path
) -> None:
    """Asked by a user without root's rights: in a user namespace that maps nobody."""
    (folder,) = Path(environment.folder).glob(place) if place else [Path(environment.folder)]
    before = tree(environment.folder)
    folder.chmod(0o555)
    words = ["unshare", "--user", sys.executable, "-c", INSTALL, environment.folder, str(starter)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    finally:
        folder.chmod(0o755)
    assert done.stdout == f"InstallError {folder}: cannot be written by this user\n", done.stderr
    assert set(tree(environment.folder)) == set(before)


def test_path_of_two_lines_is_refused(environment: venv.Venv, tmp_path: Path) -> None:
    before = tree(environment.folder)
    with pytest.raises(InstallError, match="cannot be printed"):
        put(environment, f"{tmp_path}/a\nfile 0 b/sitecustomize.py")
    assert tree(environment.folder) == before


def test_what_somebody_else_made_is_refused(environment: venv.Venv, starter: Path) -> None:
    pth = Path(environment.sites[0], PTH)
    pth.write_text("import os\n")
    with pytest.raises(InstallError, match="was not made by netguard install"):
        put(environment, starter)
    assert pth.read_text() == "import os\n"
    pth.unlink()
    own = Path(environment.folder, "netguard")
    own.mkdir()
    (own / "mine").touch()
    with pytest.raises(InstallError, match="was not made by netguard install"):
        put(environment, starter)
    assert os.listdir(own) == ["mine"]
