"""What the kernel opens besides a program's file is read from the file as the kernel reads it."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netguard.seccomp.images import MAX_DEPTH, chain, interpreter


def named(data: bytes) -> bytes:
    fd = os.memfd_create("image")
    os.write(fd, data)
    try:
        return interpreter(fd)
    finally:
        os.close(fd)


def elf(kind: int, place: int, path: bytes, rows: int = 1, size: int = 56) -> bytes:
    """An ELF file of one part behind its head and its table."""
    head = b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<Q14xHH6x", 64, size, rows)
    row = struct.pack("<IIQQQQQQ", kind, 4, place, 0, 0, len(path), len(path), 1)
    return head + row + path


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"#!/bin/sh\n", b"/bin/sh"),
        (b"#! \t/bin/env -S a b\nrest", b"/bin/env"),
        (b"#!\n/bin/sh", b""),
        (b"#!", b""),
        (b"#!/" + b"x" * 300, b"/" + b"x" * 253),
        (b"", b""),
        (b"text", b""),
        (elf(3, 120, b"/lib/ld.so\0"), b"/lib/ld.so"),
        (elf(1, 120, b"/lib/ld.so\0"), b""),
        (elf(3, 1 << 60, b"/lib/ld.so\0"), b""),
        (elf(3, 120, b"/lib/ld.so\0", size=1), b""),
        (b"\x7fELF\x02\x01", b""),
    ],
)
def test_interpreter_is_what_the_file_names(data: bytes, path: bytes) -> None:
    assert named(data) == path


def test_chain_goes_to_the_loader_and_has_an_end(tmp_path: Path) -> None:
    script, loop = tmp_path / "script", tmp_path / "loop"
    script.write_text(f"#!{sys.executable}\n")
    loop.write_text(f"#!{loop}\n")
    found = list(chain(str(script)))
    assert found[:2] == [str(script), sys.executable]
    assert all(os.path.exists(path) for path in found)
    assert list(chain(str(loop))) == [str(loop)] * MAX_DEPTH
    assert list(chain(str(tmp_path))) == [str(tmp_path)]
    assert list(chain("/none")) == ["/none"]


@given(st.binary(max_size=400), st.sampled_from([b"", b"#!", b"\x7fELF\x02\x01"]))
def test_any_file_is_read_in_bounds(data: bytes, head: bytes) -> None:
    try:
        assert len(named(head + data)) <= 4_096
    except OSError:
        pass
