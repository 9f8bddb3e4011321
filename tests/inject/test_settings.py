"""The variables of a guard without a supervisor: what is wrong with some, and that what is written comes back."""

from __future__ import annotations

import json
import subprocess

import pytest

from netguard.errors import UsageError
from netguard.inject import formats, settings

GOOD = {"NETGUARD_POLICY": "/p", "NETGUARD_LOG": "/l"}

#: What is wrong, and a part of what is said of it. The words are those of the guard's own reader.
FAULTY = {
    "log alone": ({"NETGUARD_LOG": "/l"}, "neither NETGUARD_POLICY nor"),
    "policy alone": ({"NETGUARD_POLICY": "/p"}, "one of NETGUARD_LOG and NETGUARD_LOG_FD must be"),
    "both": ({**GOOD, "NETGUARD_LOG_FD": "3"}, "one of NETGUARD_LOG and NETGUARD_LOG_FD must be"),
    "unknown": ({**GOOD, "NETGUARD_LOGG": "x"}, "NETGUARD_LOGG is set, which"),
    "bare prefix": ({**GOOD, "NETGUARD_": "x"}, "NETGUARD_ is set, which"),
    "relative policy": ({**GOOD, "NETGUARD_POLICY": "p"}, "NETGUARD_POLICY=p: not absolute"),
    "relative log": ({**GOOD, "NETGUARD_LOG": "l"}, "NETGUARD_LOG=l: not absolute"),
    "socket": ({**GOOD, "NETGUARD_LOG": "unix:x"}, "NETGUARD_LOG=unix:x: not absolute"),
    "long socket": ({**GOOD, "NETGUARD_LOG": "unix:/" + "é" * 54}, "longer than a socket's name can be (107 bytes)"),
    "fd": ({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "-1"}, "NETGUARD_LOG_FD=-1"),
    "digest": ({**GOOD, "NETGUARD_POLICY_SHA256": "A" * 64}, "NETGUARD_POLICY_SHA256"),
    "run": ({**GOOD, "NETGUARD_RUN": "a/b"}, "NETGUARD_RUN=a/b"),
    "tags": ({**GOOD, "NETGUARD_TAGS": "a=b,c"}, "NETGUARD_TAGS=a=b,c"),
    "dry run": ({**GOOD, "NETGUARD_DRY_RUN": "yes"}, "NETGUARD_DRY_RUN=yes"),
}


@pytest.mark.parametrize(("variables", "says"), FAULTY.values(), ids=FAULTY)
def test_faults_are_named(variables: dict[str, str], says: str) -> None:
    assert says in settings.fault(variables)


@pytest.mark.parametrize("log", ["/var/log/a b.jsonl", "unix:/run/lines", "unix:@lines", "unix:/" + "é" * 53])
def test_whole_sets_have_no_fault(log: str) -> None:
    more = {"NETGUARD_RUN": "job-7.a_B", "NETGUARD_SESSION": "é=,x", "NETGUARD_TAGS": "a=b,c=,d=e=f"}
    assert settings.fault({"NETGUARD_POLICY": "/p", "NETGUARD_LOG": log, **more, "PATH": "\udcff"}) == ""
    assert settings.fault({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "3", "NETGUARD_DRY_RUN": "1"}) == ""


def test_options_become_variables_in_order() -> None:
    variables = settings.made(
        "/p", "0" * 64, log="/l", log_fd=None, run="r", session="s", tags=["a=b", "c=d"], dry_run=True
    )
    assert variables == {
        "NETGUARD_POLICY": "/p", "NETGUARD_POLICY_SHA256": "0" * 64, "NETGUARD_LOG": "/l", "NETGUARD_RUN": "r",
        "NETGUARD_SESSION": "s", "NETGUARD_TAGS": "a=b,c=d", "NETGUARD_DRY_RUN": "1",
    }  # fmt: skip
    assert settings.made("/p", "0" * 64, log=None, log_fd=3)["NETGUARD_LOG_FD"] == "3"


@pytest.mark.parametrize("tag", ["a=b,c=d", "a", "=b", "a=\t", "a=b\nNETGUARD_DRY_RUN=1"])
def test_odd_tags_are_refused(tag: str) -> None:
    with pytest.raises(UsageError):
        settings.made("/p", "0" * 64, log="/l", log_fd=None, tags=[tag])


def test_settings_file_comes_back() -> None:
    variables = {**GOOD, "NETGUARD_TAGS": "a=b,c=d"}
    assert settings.from_text("# mine\n" + settings.as_text(variables)) == variables
    for text in ("NETGUARD_LOG\n", "A=1\nA=2\n"):
        with pytest.raises(ValueError, match=r"NAME=VALUE|twice"):
            settings.from_text(text)


HARD = "a 'b' \"c\" $HOME `id` \\ \\\\ $(id) ${X:-y} !! * é #"


def test_shell_gives_back_what_was_written() -> None:
    text = formats.shell("/the 'starter'", True, {"X": HARD})
    for before, after in (({}, ""), ({"PYTHONPATH": "/a:/b"}, ":/a:/b"), ({"PYTHONPATH": ""}, "")):
        script = text + 'printf "%s\\n" "$PYTHONPATH" "$X"'
        done = subprocess.run(["sh", "-c", script], env=before, capture_output=True, text=True, check=True)
        assert done.stdout == f"/the 'starter'{after}\n{HARD}\n"
    assert formats.shell("/s", False, {}) == "export PYTHONPATH='/s'\n"


def test_dockerfile_quotes_what_it_would_read() -> None:
    """An ENV value in double quotes: the backslash escapes, `$` puts in a variable, everything else is itself."""
    text = formats.docker("/s", True, {"X": 'a "b" $HOME \\ \'c\' `d`'})
    assert text == 'ENV PYTHONPATH="/s${PYTHONPATH:+:$PYTHONPATH}"\nENV X="a \\"b\\" \\$HOME \\\\ \'c\' `d`"\n'


def test_json_is_one_object() -> None:
    assert json.loads(formats.as_json("/s", False, {"X": HARD})) == {"PYTHONPATH": "/s", "X": HARD}
