"""Binds wait for a folder that does not answer, and no more of them than there is room for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netguard.seccomp import folders


def test_too_many_binds_are_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_WAITING", 0)
    before = len(os.listdir("/proc/self/fd"))
    folder = os.open(tmp_path, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as sock:
        assert folders.bind(sock.fileno(), folder, 0o22, b"\1\0made\0") is None
    os.close(folder)
    assert len(os.listdir("/proc/self/fd")) == before
