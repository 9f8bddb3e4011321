"""The shipped packs: each loads, says who it is for, holds its own tests, and keeps the promises of all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netguard.core.decide import decide
from netguard.paths import packs_dir
from netguard.policy.check import check
from netguard.policy.compose import compose
from netguard.policy.grammar import parse_request
from netguard.policy.kept import keep, kept, kept_path
from netguard.policy.load import load_policy, pack_names

ROWS = [
    # pack, default, tests at least
    ("agent", "deny", 15),
    ("audit", "log", 10),
    ("deny-all", "deny", 10),
    ("local-services", "log", 30),
    ("loopback", "deny", 10),
    ("metadata", "log", 10),
    ("package-install", "deny", 10),
]
METADATA = [
    "connect 169.254.169.254:80",
    "connect 2852039166:80",
    "connect [::ffff:a9fe:a9fe]:80",
    "connect [fd00:ec2::254]:80",
    "connect 168.63.129.16:80",
    "connect 100.100.100.200:80",
    "dns metadata.google.internal",
    "http GET http://169.254.169.254/",
    "connect udp 169.254.169.254:53",
    "connect rebound.example:80 at 169.254.169.254",
    "connect pypi.org:443 at 169.254.169.254",
    "connect api.openai.com:443 at 169.254.169.254",
]
OWN = ["listen 127.0.0.1:0", "[own] connect 127.0.0.1:5000", "listen unix:/tmp/own", "[own] connect unix:/tmp/own"]


def test_rows_are_all_packs() -> None:
    assert [row[0] for row in ROWS] == pack_names()


@pytest.mark.parametrize(("name", "default", "tests"), ROWS)
def test_pack_loads_and_holds_its_tests(name: str, default: str, tests: int) -> None:
    composition, findings = check([f"netguard:{name}"], strict=True)
    assert [finding.text for finding in findings] == []
    assert composition.policy.default == default
    assert len(composition.documents[-1].tests) >= tests
    assert {test.expect for test in composition.documents[-1].tests} >= {"deny"}


@pytest.mark.parametrize("name", pack_names())
def test_pack_says_for_whom_and_what_it_does_not_stop(name: str) -> None:
    lines = Path(packs_dir(), f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = " ".join([line for line in lines if line.startswith("#")])
    assert lines[0].startswith("# ")
    assert "For whom:" in comment
    assert "What it does not stop:" in comment


@pytest.mark.parametrize("name", pack_names())
@pytest.mark.parametrize("request_text", METADATA)
def test_no_pack_reaches_the_metadata_service(name: str, request_text: str) -> None:
    assert decide(load_policy([name]), parse_request(request_text)).verdict == "deny"


@pytest.mark.parametrize("name", pack_names())
@pytest.mark.parametrize("request_text", OWN)
def test_every_pack_lets_a_run_reach_its_own_servers(name: str, request_text: str) -> None:
    assert decide(load_policy([name]), parse_request(request_text)).verdict in ("allow", "log")


# What is kept compiled.


@pytest.mark.parametrize("name", pack_names())
def test_kept_form_is_of_the_pack_as_it_is(name: str) -> None:
    """If this fails: `python -m netguard.policy.kept`."""
    assert Path(kept_path(name)).read_bytes() == keep(name)
    policy = kept(name)
    assert policy is not None
    assert policy.digest == compose([f"netguard:{name}"]).policy.digest


def test_pack_loads_without_a_parser() -> None:
    code = (
        "import sys; from netguard.policy.load import load_policy; load_policy(['audit']); "
        "print(sorted({'yaml', 're', 'json', 'hashlib', 'typing', 'dataclasses', 'enum'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert found.stdout.strip() == "[]"
