"""The starter: does nothing unasked, starts the guard or stops the program when asked, and leaves no trace."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shim.guests import ALLOW, LOG, STARTER, acts, plain, said, write
from tests.support.guard import clean_environment, run_guarded
from tests.support.interpreters import Interpreter
from tests.support.isolation import ROOT

#: Prints what a program can see of its own start, then fails.
DUMP = """\
import json, os, sys
print(json.dumps({
    "name": __name__, "file": globals().get("__file__"), "argv": sys.argv, "path": sys.path,
    "modules": sorted(sys.modules), "finders": [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path],
    "cached": sorted(sys.path_importer_cache), "main": sorted(vars(sys.modules["__main__"])),
    "flags": str(sys.flags), "trace": sys.gettrace() is None, "dont": sys.dont_write_bytecode,
}))
def fail():
    raise ValueError("as in a plain run")
fail()
"""

#: How Python is told what to run, and what it reads from its standard input.
WAYS = {
    "script": (["guest.py", "a", "b"], ""),
    "module": (["-m", "guest", "a"], ""),
    "code": (["-c", DUMP, "a"], ""),
    "stdin": (["-", "a"], DUMP),
}

#: What the guard adds to what a program sees: the C half of `socket`, which the channel is made of, and its finder.
OWN_MODULES = {"_socket", "_blake2", "fcntl"}
OWN_FINDERS = ["Finder"]


@pytest.mark.parametrize("way", WAYS)
def test_program_sees_the_start_of_a_plain_run(way: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """Its modules, paths, name, arguments and traceback are those it has without a guard."""
    words, stdin = WAYS[way]
    write(tmp_path, DUMP)
    bare = plain(tmp_path, [interpreter.path, *words], stdin=stdin)
    run = run_guarded(["--", interpreter.path, *words], rules=ALLOW, options=["--quiet"], cwd=tmp_path, stdin=stdin)
    assert (run.status, run.stderr) == (bare.returncode, bare.stderr)
    seen, expected = said(run), said(bare)
    assert set(seen.pop("modules")) - set(expected.pop("modules")) <= OWN_MODULES
    assert seen.pop("finders") == OWN_FINDERS + expected.pop("finders")
    assert seen == expected


@pytest.mark.parametrize("way", WAYS)
def test_unasked_starter_leaves_a_plain_run(way: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """On the path and not asked for, it changes nothing at all."""
    words, stdin = WAYS[way]
    write(tmp_path, DUMP)
    bare = plain(tmp_path, [interpreter.path, *words], stdin=stdin)
    for places in (STARTER, ROOT):
        found = plain(tmp_path, [interpreter.path, *words], stdin=stdin, env={"PYTHONPATH": places})
        seen, expected = said(found), said(bare)
        if places == ROOT:  # that one is the user's own entry, and stays
            at = seen["path"].index(ROOT)
            del seen["path"][at]
            seen["cached"].remove(ROOT)
        assert (found.returncode, found.stderr, seen) == (bare.returncode, bare.stderr, expected)


SHADOWED = {
    "runs": "import sys\nsys.stdout.write('shadowed ran\\n')\nsys.from_shadowed = True\n",
    "fails": "raise RuntimeError('the shadowed one fails')\n",
    "lacks an import": "import no_such_module\n",
}


@pytest.mark.parametrize("what", SHADOWED)
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "unasked"])
def test_shadowed_sitecustomize_does_what_it_does_alone(
    what: str, asked: bool, interpreter: Interpreter, tmp_path: Path
) -> None:
    """Distributions and environments have one of their own; ours stands before it and must not take its place."""
    place = tmp_path / "theirs"
    place.mkdir()
    write(place, SHADOWED[what], "sitecustomize.py")
    code = (
        "import sys; print('program ran', getattr(sys, 'from_shadowed', None), "
        "getattr(sys.modules.get('sitecustomize'), '__file__', None), len(sys.path))"
    )
    words = [interpreter.path, "-c", code]
    alone = plain(tmp_path, words, env={"PYTHONPATH": str(place)})
    assert "program ran" in alone.stdout
    if asked:
        # By `env`, for netguard itself is not to find that one.
        words = ["env", f"PYTHONPATH={STARTER}:{place}", *words]
        run = run_guarded(["--", *words], rules=ALLOW, options=["--quiet"], cwd=tmp_path)
        assert run.status == 0
        assert (run.stdout, run.stderr) == (alone.stdout, alone.stderr)
    else:
        both = plain(tmp_path, words, env={"PYTHONPATH": f"{STARTER}:{place}"})
        assert (both.stdout, both.stderr) == (alone.stdout, alone.stderr)


@pytest.fixture
def environment_with_its_own(interpreter: Interpreter, tmp_path: Path) -> tuple[str, Path]:
    """A virtual environment with a `sitecustomize` of its own; its interpreter and its site-packages."""
    subprocess.run(
        [interpreter.path, "-I", "-m", "venv", "--without-pip", "--symlinks", str(tmp_path / "env")], check=True
    )
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    write(site, "import sys\nsys.stdout.write('the environment has its own\\n')\n", "sitecustomize.py")
    return str(tmp_path / "env/bin/python"), site


def test_environments_own_sitecustomize_runs_behind_ours(
    environment_with_its_own: tuple[str, Path], tmp_path: Path
) -> None:
    """A venv's is found on its site-packages, after the guard has started."""
    python, _ = environment_with_its_own
    words = [python, "-c", "print('program ran')"]
    bare = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout
    if not bare.startswith("the environment"):
        pytest.skip("a Python that brings no sitecustomize of its own, which hides the environment's")
    run = run_guarded(["--", *words], rules=ALLOW, options=["--quiet"])
    assert run.stdout == bare == "the environment has its own\nprogram ran\n"
    assert [line["python"] for line in run.trail if "python" in line and line["kind"] != "coverage"] or run.status == 0


KEEPS_OUT = """\
import sys; sys.addaudithook(lambda event, args: 1 / (event != "sys.addaudithook"))
"""


def test_earlier_hook_that_keeps_ours_out_stops_the_program(environment_with_its_own: tuple[str, Path]) -> None:
    """A `.pth` file runs before us; CPython swallows what its hook raises and does not add ours."""
    python, site = environment_with_its_own
    (site / "aaa.pth").write_text(KEEPS_OUT)
    (site / "sitecustomize.py").unlink()
    run = run_guarded(["--", python, "-c", "print('program ran')"], rules=ALLOW, options=["--quiet"])
    assert run.status == 125
    assert "could not start" in run.stderr
    assert "program ran" not in run.stdout


@pytest.mark.parametrize("where", ["a name", "a path", "nothing"])
def test_program_does_not_run_without_a_supervisor(where: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """Asked, and nobody there to ask."""
    channel = {"a name": "@netguard-no-such-run", "a path": "/nonexistent/channel", "nothing": ""}[where]
    found = plain(
        tmp_path,
        [interpreter.path, "-c", "print('program ran')"],
        env={"PYTHONPATH": STARTER, "NETGUARD_CHANNEL": channel},
    )
    assert found.returncode == 125
    assert found.stdout == ""
    assert found.stderr.startswith("netguard: the guard could not start, so the program was stopped:")
    assert len(found.stderr.splitlines()) == 1


def test_program_does_not_run_without_a_standard_error_either(interpreter: Interpreter, tmp_path: Path) -> None:
    """A message that cannot be written must not become an exception that `site` passes over."""
    words = [interpreter.path, "-c", "open('ran', 'w')"]
    env = {"PYTHONPATH": STARTER, "NETGUARD_CHANNEL": "@netguard-no-such-run"}
    found = plain(tmp_path, ["sh", "-c", 'exec "$@" 2>&-', "sh", *words], env=env)
    assert found.returncode == 125
    assert not (tmp_path / "ran").exists()


BREAKAGES = {
    "no syntax": ("hook.py", "def (:"),
    "raises": ("hook.py", "raise RuntimeError('broken')"),
    "exits": ("hook.py", "raise SystemExit(0)"),
    "is not there": ("hook.py", None),
    "refuses to start": ("start.py", "def start():\n    raise KeyboardInterrupt\n"),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_program_does_not_run_with_a_broken_shim(what: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """Whatever is wrong with the shim, the program is stopped."""
    shutil.copytree(STARTER, tmp_path / "sitecustomize", ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("core", "shim"):
        shutil.copytree(f"{ROOT}/netguard/{part}", tmp_path / "netguard" / part)
    shutil.copy(f"{ROOT}/netguard/denied.py", tmp_path / "netguard")
    name, text = BREAKAGES[what]
    file = tmp_path / "netguard/shim" / name
    file.unlink()
    if text is not None:
        file.write_text(text)
    env = {"PYTHONPATH": str(tmp_path / "sitecustomize"), "NETGUARD_CHANNEL": "@netguard-no-such-run"}
    found = plain(tmp_path, [interpreter.path, "-c", "print('program ran')"], env=env)
    assert (found.returncode, found.stdout) == (125, "")
    assert "could not start" in found.stderr


#: Ways to name the starter on the path.
PLACES = {
    "folder": STARTER,
    "folder above": ROOT,
    "both": f"{STARTER}:{ROOT}",
    "both, above first": f"{ROOT}:{STARTER}",
    "twice": f"{STARTER}:{STARTER}/",
}


@pytest.mark.parametrize("places", PLACES)
def test_guard_starts_once_however_the_path_names_it(places: str, interpreter: Interpreter, tmp_path: Path) -> None:
    """One report, one question an act; and the folder above, which is the user's own entry, stays where it was."""
    code = """\
        import json, socket, sys
        try:
            socket.socket().connect(("127.0.0.1", 1))
        except OSError:
            pass
        print(json.dumps([sys.path, "sitecustomize" in sys.modules]))
    """
    script = write(tmp_path, code)
    words = ["env", "PYTHONPATH=" + PLACES[places], interpreter.path, script]
    run = run_guarded(["--", *words], rules=LOG, options=["--quiet"], cwd=tmp_path)
    assert acts(run) == [("exec", "execve", "log"), ("connect", "socket.connect", "log")]
    path, left = said(run)
    has_one = [interpreter.path, "-c", "import sys; sys.exit('sitecustomize' not in sys.modules)"]
    assert left == (subprocess.run(has_one, check=False, timeout=20).returncode == 0)
    assert [place for place in path if place in (ROOT, STARTER)] == [ROOT] * ("above" in places or places == "both")
    assert path[0] == str(tmp_path)


def test_unreadable_environment_of_a_start_is_not_a_start(interpreter: Interpreter, tmp_path: Path) -> None:
    """A child that is given another environment was not asked; nothing of ours runs in it."""
    env = clean_environment(str(tmp_path), {"PYTHONPATH": STARTER})
    found = subprocess.run(
        [interpreter.path, "-c", "import sys, json; print(json.dumps([type(f).__name__ for f in sys.meta_path]))"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Finder" not in json.loads(found.stdout)
