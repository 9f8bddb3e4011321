"""Whether an environment or a shell is guarded: the answer, its reason, and what weakens it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netguard.inject import files, guest, install, settings, venv
from netguard.inject.status import NO, UNKNOWN, YES, Status, log_wrong, of_shell, of_venv, starter_on
from tests.inject.environments import POLICY, bare
from tests.support.isolation import ROOT

STARTER = ROOT + "/sitecustomize/sitecustomize.py"


def wanted(folder: str | Path) -> dict[str, str]:
    return settings.made(
        f"{folder}/netguard/policy", files.digest(POLICY), log=f"{folder}/lines.jsonl", log_fd=None, session="s"
    )


@pytest.fixture
def environment(tmp_path: Path) -> venv.Venv:
    """A guarded one."""
    made = bare(sys.executable, tmp_path / "venv")
    install.install(made, POLICY, wanted(made.folder), STARTER, copy=False)
    return made


def change(path: str | Path, text: str | None) -> None:
    if text is None:
        Path(path).unlink()
    else:
        Path(path).chmod(0o644)
        Path(path).write_text(text)


def test_guarded_environment_says_how(environment: venv.Venv) -> None:
    status = of_venv(environment)
    assert (status.answer, status.why) == (YES, "every Python in it starts with the guard, but for -S")
    assert status.facts == {
        "environment": environment.folder,
        "python": f"{environment.version} ({environment.python})",
        "starter": STARTER,
        "policy": f"{environment.folder}/netguard/policy",
        "sha256": files.digest(POLICY),
        "lines go to": f"{environment.folder}/lines.jsonl",
        "session": "s",
    }


def test_copied_guest_part_is_a_guard_too(environment: venv.Venv) -> None:
    starter = f"{environment.folder}/netguard/starter/sitecustomize.py"
    install.install(environment, POLICY, wanted(environment.folder), starter, copy=True)
    status = of_venv(environment)
    assert (status.answer, status.facts["starter"]) == (YES, starter)


def test_bare_environment_is_not_guarded(tmp_path: Path) -> None:
    status = of_venv(bare(sys.executable, tmp_path / "venv"))
    assert (status.answer, status.why) == (NO, "netguard install was not run for it")


def setting(name: str, value: str) -> Callable[[venv.Venv], None]:
    def act(environment: venv.Venv) -> None:
        change(f"{environment.folder}/netguard/settings", settings.as_text({**wanted(environment.folder), name: value}))

    return act


def own(name: str, text: str | None) -> Callable[[venv.Venv], None]:
    return lambda environment: change(f"{environment.folder}/netguard/{name}", text)


def piped(environment: venv.Venv) -> None:
    policy = Path(environment.folder, "netguard/policy")
    policy.unlink()
    os.mkfifo(policy)


def pth(text: str | None) -> Callable[[venv.Venv], None]:
    return lambda environment: change(install.pth_files(environment)[0], text)


def without_starter(environment: venv.Venv) -> None:
    place = f"{environment.folder}/gone/sitecustomize.py"
    install.install(environment, POLICY, wanted(environment.folder), place, copy=False)


CHANGED = {
    "no pth": (pth(None), NO, "netguard install was not run for it"),
    "foreign pth": (pth("import os\n"), UNKNOWN, "was not made by netguard"),
    "other pth": (pth(install.pth_line("/other.py", "/s", "/p")), UNKNOWN, "asks for another starter"),
    "no record": (own("installed", None), UNKNOWN, "asks for another starter"),
    "odd record": (own("installed", "x"), UNKNOWN, "is no record"),
    "no starter": (without_starter, NO, "no program starts there at all: the starter "),
    "no settings": (own("settings", None), NO, "the settings "),
    "odd settings": (own("settings", "x\n"), UNKNOWN, "line 1 is not NAME=VALUE"),
    "no policy": (own("policy", None), NO, "cannot be read: No such file"),
    "other policy": (own("policy", POLICY.decode().replace("deny", "log")), NO, "is another one than"),
    "cut policy": (own("policy", POLICY.decode()[:-6]), NO, "is none: "),
    "policy that is a pipe": (piped, NO, "is none: "),
    "unknown variable": (setting("NETGUARD_X", "1"), NO, "NETGUARD_X is set, which this version does not know"),
    "no place": (setting("NETGUARD_LOG", "/none/x"), NO, "the lines cannot go to /none/x"),
    "no collector": (setting("NETGUARD_LOG", "unix:@nobody-here"), NO, "unix:@nobody-here: Connection refused"),
}


@pytest.mark.parametrize(("act", "answer", "why"), CHANGED.values(), ids=CHANGED)
def test_changed_environment_is_told(
    act: Callable[[venv.Venv], None], answer: str, why: str, environment: venv.Venv
) -> None:
    act(environment)
    status = of_venv(environment)
    assert status.answer == answer
    assert why in status.why


def test_python_that_was_changed_for_another_is_not_guarded(environment: venv.Venv) -> None:
    """Its new site-packages has no line."""
    Path(environment.folder, "lib/python3.99/site-packages").mkdir(parents=True)
    status = of_venv(venv.find(environment.folder))
    assert status.answer == NO
    assert status.why.endswith(f"lib/python3.99/site-packages/{install.PTH} is missing")


def test_writable_parts_are_a_warning(environment: venv.Venv) -> None:
    """Root can write everything; the others what is theirs, by its folder too."""
    (warning,) = of_venv(environment).warnings
    assert "can change what guards" in warning
    for name in ("policy", "settings", install.PTH):
        assert name in warning


# Where lines go


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=lambda k: k.name)
def test_collector_that_listens_can_be_reached(kind: int, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, kind) as collector:
        collector.bind(str(tmp_path / "s"))
        if kind != socket.SOCK_DGRAM:
            assert "Connection refused" in log_wrong({"NETGUARD_LOG": f"unix:{tmp_path}/s"})
            collector.listen()
        assert log_wrong({"NETGUARD_LOG": f"unix:{tmp_path}/s"}) == ""
    assert log_wrong({"NETGUARD_LOG": f"unix:{tmp_path}/none"}).endswith("No such file or directory")


def test_places_for_lines(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for place in (tmp_path / "there", tmp_path / "new", Path("/dev/null")):
        assert log_wrong({"NETGUARD_LOG": str(place)}) == ""
    assert log_wrong({"NETGUARD_LOG": str(tmp_path)}) == f"the lines cannot go to {tmp_path}: it is no file"
    assert log_wrong({"NETGUARD_LOG_FD": "99"}) == ""  # another process may have it


# A shell


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The variables of a guarded one."""
    (tmp_path / "netguard").mkdir()
    (tmp_path / "netguard/policy").write_bytes(POLICY)
    return {**wanted(tmp_path), "PYTHONPATH": os.path.dirname(STARTER)}


def test_shell_that_asks_is_guarded(shell: dict[str, str]) -> None:
    status = of_shell(shell)
    assert (status.answer, status.why) == (YES, "its variables ask for the guard")
    assert status.facts["starter"] == STARTER


def test_shell_within_a_run_is_guarded() -> None:
    assert of_shell({"NETGUARD_CHANNEL": "@x", "NETGUARD_RUN": "r"}).answer == YES


def incomplete(shell: dict[str, str], **changes: str | None) -> Status:
    merged = {**shell, **changes}
    return of_shell({name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"PYTHONPATH": None}, "leads to no starter, so the variables do nothing"),
        ({"PYTHONPATH": "/none"}, "leads to no starter"),
        ({"NETGUARD_LOG": None}, "no program starts: NETGUARD_POLICY is set, so one of"),
        ({"NETGUARD_POLICY": None}, "no program starts: NETGUARD_ variables are set, and neither"),
        ({"NETGUARD_POLICY": "/none"}, "no program starts: the policy /none cannot be read"),
        ({"NETGUARD_POLICY_SHA256": "0" * 64}, "is another one than NETGUARD_POLICY_SHA256 says"),
        ({"NETGUARD_FOO": "1"}, "no program starts: NETGUARD_FOO is set, which this"),
    ],
)
def test_shell_that_asks_for_half_is_not_guarded(
    changes: dict[str, str | None], why: str, shell: dict[str, str]
) -> None:
    status = incomplete(shell, **changes)
    assert status.answer == NO
    assert why in status.why


def test_shell_that_does_not_ask_is_not_guarded() -> None:
    assert of_shell({"PYTHONPATH": os.path.dirname(STARTER)}).why == "no NETGUARD_ variable is set"


def test_starter_is_found_in_each_layout(tmp_path: Path) -> None:
    guest.copy(str(tmp_path))
    assert starter_on(f"{tmp_path}/starter") == (f"{tmp_path}/starter/sitecustomize.py", [])
    assert starter_on(ROOT) == (STARTER, [])
    assert starter_on(f"/none:{ROOT}/sitecustomize/") == (STARTER, [])
    assert starter_on("") == ("", [])


def test_what_comes_before_the_starter_is_a_warning(shell: dict[str, str], tmp_path: Path) -> None:
    """An empty place is the current folder, where the program may have put a `sitecustomize` of its own."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").touch()
    path = shell["PYTHONPATH"]
    for before, named in (("", "the current folder"), ("here", "here"), (str(other), str(other))):
        warnings = incomplete(shell, PYTHONPATH=f"{before}:{path}").warnings
        assert f"{named}: comes first on PYTHONPATH and may hold a sitecustomize of its own" in warnings
    assert "comes first" not in str(incomplete(shell, PYTHONPATH=f"/none:{path}:").warnings)
