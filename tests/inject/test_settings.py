"""The variables of a guard without a supervisor: what is wrong with some, and that what is written comes back."""

from __future__ import annotations

import json
import subprocess

import pytest

from netguard.errors import UsageError
from netguard.inject import formats, settings

GOOD = {"NETGUARD_POLICY": "/p", "NETGUARD_LOG": "/l"}

FAULTY = {
    "nothing": ({}, ["NETGUARD_POLICY is not set", "neither NETGUARD_LOG nor NETGUARD_LOG_FD is set"]),
    "log alone": ({"NETGUARD_LOG": "/l"}, ["NETGUARD_POLICY is not set"]),
    "both": ({**GOOD, "NETGUARD_LOG_FD": "3"}, ["NETGUARD_LOG and NETGUARD_LOG_FD are both set"]),
    "unknown": ({**GOOD, "NETGUARD_LOGG": "x"}, ["NETGUARD_LOGG: there is no such variable"]),
    "bare prefix": ({**GOOD, "NETGUARD_": "x"}, ["NETGUARD_: there is no such variable"]),
    "relative policy": ({**GOOD, "NETGUARD_POLICY": "p"}, ["NETGUARD_POLICY is no absolute path"]),
    "relative log": ({**GOOD, "NETGUARD_LOG": "l"}, ["NETGUARD_LOG is neither an absolute path nor"]),
    "empty log": ({**GOOD, "NETGUARD_LOG": ""}, ["NETGUARD_LOG is neither an absolute path nor"]),
    "socket": ({**GOOD, "NETGUARD_LOG": "unix:x"}, ["NETGUARD_LOG is no unix socket"]),
    "no socket": ({**GOOD, "NETGUARD_LOG": "unix:@"}, ["NETGUARD_LOG is no unix socket"]),
    "long socket": ({**GOOD, "NETGUARD_LOG": "unix:/" + "é" * 54}, ["NETGUARD_LOG is longer than a socket's"]),
    "fd": ({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "-1"}, ["NETGUARD_LOG_FD is no descriptor"]),
    "huge fd": ({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "2147483648"}, ["NETGUARD_LOG_FD is no descriptor"]),
    "odd fd": ({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "²"}, ["NETGUARD_LOG_FD is no descriptor"]),
    "digest": ({**GOOD, "NETGUARD_POLICY_SHA256": "A" * 64}, ["NETGUARD_POLICY_SHA256 is no SHA-256"]),
    "run": ({**GOOD, "NETGUARD_RUN": "a/b"}, ["NETGUARD_RUN is not 1 to 64"]),
    "long run": ({**GOOD, "NETGUARD_RUN": "a" * 65}, ["NETGUARD_RUN is not 1 to 64"]),
    "tags": ({**GOOD, "NETGUARD_TAGS": "a=b,c"}, ["NETGUARD_TAGS is not KEY=VALUE"]),
    "no key": ({**GOOD, "NETGUARD_TAGS": "=b"}, ["NETGUARD_TAGS is not KEY=VALUE"]),
    "dry run": ({**GOOD, "NETGUARD_DRY_RUN": "yes"}, ["NETGUARD_DRY_RUN can be 1"]),
    "line": ({**GOOD, "NETGUARD_SESSION": "a\nNETGUARD_DRY_RUN=1"}, ["NETGUARD_SESSION holds characters"]),
}


@pytest.mark.parametrize(("variables", "expected"), FAULTY.values(), ids=FAULTY)
def test_faults_are_named(variables: dict[str, str], expected: list[str]) -> None:
    found = settings.faults(variables)
    assert len(found) == len(expected)
    assert all([fault.startswith(start) for fault, start in zip(found, expected, strict=True)]), found


@pytest.mark.parametrize("log", ["/var/log/a b.jsonl", "unix:/run/lines", "unix:@lines", "unix:/" + "é" * 53])
def test_whole_sets_have_no_fault(log: str) -> None:
    more = {"NETGUARD_RUN": "job-7.a_B", "NETGUARD_SESSION": "é=,x", "NETGUARD_TAGS": "a=b,c=,d=e=f"}
    assert settings.faults({"NETGUARD_POLICY": "/p", "NETGUARD_LOG": log, **more, "PATH": "x"}) == []
    assert settings.faults({"NETGUARD_POLICY": "/p", "NETGUARD_LOG_FD": "3", "NETGUARD_DRY_RUN": "1"}) == []


def test_options_become_variables_in_order() -> None:
    variables = settings.made(
        "/p", "0" * 64, log="/l", log_fd=None, run="r", session="s", tags=["a=b", "c=d"], dry_run=True
    )
    assert variables == {
        "NETGUARD_POLICY": "/p", "NETGUARD_POLICY_SHA256": "0" * 64, "NETGUARD_LOG": "/l", "NETGUARD_RUN": "r",
        "NETGUARD_SESSION": "s", "NETGUARD_TAGS": "a=b,c=d", "NETGUARD_DRY_RUN": "1",
    }  # fmt: skip
    assert settings.made("/p", "0" * 64, log=None, log_fd=0)["NETGUARD_LOG_FD"] == "0"


@pytest.mark.parametrize("tag", ["a=b,c=d", "a", "=b", "a=\t"])
def test_odd_tags_are_refused(tag: str) -> None:
    with pytest.raises(UsageError):
        settings.made("/p", "0" * 64, log="/l", log_fd=None, tags=[tag])


def test_settings_file_comes_back() -> None:
    variables = {**GOOD, "NETGUARD_TAGS": "a=b,c=d"}
    assert settings.from_text(settings.as_text(variables)) == variables
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
