"""The kept form of a pack: used while it is of the pack's own bytes, passed over in every other case."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import pytest

from netguard import paths
from netguard.paths import packs_dir
from netguard.policy import kept as module
from netguard.policy import load
from netguard.policy.kept import kept
from netguard.policy.load import load_policy


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped packs to change."""
    folder = tmp_path / "rules"
    shutil.copytree(packs_dir(), folder)
    monkeypatch.setattr(module, "packs_dir", lambda: str(folder))
    monkeypatch.setattr(load, "packs_dir", lambda: str(folder))
    return folder


def test_pack_is_read_from_its_kept_form(packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "read_file", None)
    assert len(load_policy(["audit"]).rules) == 2


@pytest.mark.parametrize("file", ["audit.yaml", "metadata.yaml"])
def test_edited_pack_is_read_anew(packs: Path, file: str) -> None:
    text = (packs / file).read_text().replace("rules:\n", "rules:\n  - {deny: exec, program: edited}\n")
    (packs / file).write_text(text)
    assert kept("audit") is None
    assert "edited" in [program for rule in load_policy(["audit"]).rules for program in rule.program]


def test_pack_whose_include_is_gone_is_not_taken_from_its_kept_form(packs: Path) -> None:
    (packs / "metadata.yaml").unlink()
    assert kept("audit") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"netguard-kept 1", b"netguard-kept 2"),
        (b"\nsource ", b"\nsauce "),
        (b"\nsource ", b"\nsource x "),
        (b"netguard-policy 1", b"netguard-policy 2"),
        (b"netguard-policy 1", b"netguard-policy \xff"),
        (b"\nend ", b"\nand "),
    ],
)
def test_damaged_kept_form_is_passed_over(packs: Path, old: bytes, new: bytes) -> None:
    file = packs / "kept" / "audit.policy"
    raw = file.read_bytes()
    assert old in raw
    file.write_bytes(raw.replace(old, new))
    assert kept("audit") is None
    assert len(load_policy(["audit"]).rules) == 2


def test_other_default_is_not_the_kept_one(packs: Path) -> None:
    assert load_policy(["audit"], default="deny").default == "deny"


def test_packs_are_kept_anew(packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(packs / "kept")
    assert kept("audit") is None
    monkeypatch.setattr(paths, "packs_dir", lambda: str(packs))
    monkeypatch.delitem(sys.modules, "netguard.policy.kept")
    runpy.run_module("netguard.policy.kept", run_name="__main__")
    assert kept("audit") is not None
    assert (packs / "kept" / "audit.policy").read_bytes() == Path(packs_dir(), "kept", "audit.policy").read_bytes()
