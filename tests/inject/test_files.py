"""Files that a guard depends on: whole, read-only, never over something else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netguard.errors import InstallError
from netguard.inject import files, guest


def test_put_writes_once_and_read_only(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert files.put(str(path), b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    before = path.stat().st_ino
    assert not files.put(str(path), b"one")
    assert path.stat().st_ino == before
    assert files.put(str(path), b"two")
    assert (path.read_bytes(), path.stat().st_ino == before) == (b"two", False)  # who reads the old one still does
    path.chmod(0o644)
    assert files.put(str(path), b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert os.listdir(tmp_path) == ["f"]


def test_put_does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("kept")
    (tmp_path / "f").symlink_to(tmp_path / "secret")
    with pytest.raises(InstallError, match="cannot be read"):
        files.put(str(tmp_path / "f"), b"x")
    assert (tmp_path / "secret").read_text() == "kept"


def test_put_says_where_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="cannot be written: No such file"):
        files.put(str(tmp_path / "none" / "f"), b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InstallError, match="cannot be read: Is a directory"):
        files.put(str(tmp_path / "folder"), b"x")


def test_policy_replaces_a_policy_and_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "p")
    one, two = b"netguard-policy 1\none", b"netguard-policy 1\ntwo"
    assert files.put_policy(path, one) == f"{path}: written, sha256 {files.digest(one)}"
    assert files.put_policy(path, one) == ""
    assert files.put_policy(path, two) == f"{path}: replaced, sha256 {files.digest(one)} is now {files.digest(two)}"


def test_policy_replaces_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("version: 1\n")
    with pytest.raises(InstallError, match="is no compiled policy"):
        files.put_policy(str(tmp_path / "p"), b"netguard-policy 1\n")
    assert (tmp_path / "p").read_text() == "version: 1\n"


def test_guest_part_is_copied_for_all_to_read(tmp_path: Path) -> None:
    """Whatever the umask of who copies it: another user's program starts from it."""
    before = os.umask(0o077)
    try:
        assert guest.copy(str(tmp_path / "a" / "guest"))
    finally:
        os.umask(before)
    assert not guest.copy(str(tmp_path / "a" / "guest"))
    found = list((tmp_path / "a" / "guest").rglob("*"))
    assert {path.name for path in found} >= {"sitecustomize.py", "start.py", "decide.py", "denied.py"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert (modes, folders) == ({0o444}, {0o755})
