"""Numbers and constants are the kernel's: those of its headers, where this machine has them."""

from __future__ import annotations

import platform
import re
import socket
from pathlib import Path

import pytest

from netguard.seccomp.constants import VALUES
from netguard.seccomp.numbers import MACHINES, NEWEST, TABLE, numbers

INCLUDE = Path("/usr/include")

#: Where a distribution puts a machine's headers; the generic ones are what aarch64's are made of.
HEADERS = {
    "x86_64": ["x86_64-linux-gnu/asm/unistd_64.h", "asm/unistd_64.h"],
    "aarch64": ["aarch64-linux-gnu/asm/unistd_64.h", "asm-generic/unistd.h"],
}

#: The headers that constants.py names.
CONSTANTS = (
    "*/bits/socket.h */bits/in.h linux/net.h linux/in.h linux/in6.h linux/netlink.h asm-generic/socket.h "
    "linux/tcp.h linux/sched.h linux/prctl.h linux/seccomp.h asm-generic/ioctls.h asm-generic/sockios.h "
    "asm-generic/fcntl.h linux/fanotify.h"
)

#: What no header says as a plain number, and what it says instead.
MADE_OF = {
    "TUNSETIFF": (1 << 30) | (4 << 16) | (ord("T") << 8) | 202,  # _IOW('T', 202, int)
    "VHOST_SET_OWNER": (0xAF << 8) | 0x01,  # _IO(VHOST_VIRTIO, 0x01)
    "USERFAULTFD_IOC_NEW": 0xAA << 8,  # _IO(USERFAULTFD_IOC, 0x00)
    "MFD_NOEXEC_SEAL": 0x0008,  # with a U behind it, and from Linux 6.3 on
    "F_SETLEASE": 1024 + 0,  # F_LINUX_SPECIFIC_BASE + 0
    "IPT_SO_SET_REPLACE": 64,  # IPT_BASE_CTL
    "IP6T_SO_SET_REPLACE": 64,  # IP6T_BASE_CTL
    "SECCOMP_FILTER_FLAG_NEW_LISTENER": 1 << 3,
    "SOCK_PACKET": 10,  # an enum of <bits/socket_type.h>
}


def in_header(machine: str) -> dict[str, int]:
    """Name -> number of every call in the machine's header; skips, naming it, where there is none."""
    for name in HEADERS[machine]:
        own = not name.startswith("asm/") or platform.machine() == machine
        if own and (INCLUDE / name).exists():
            text = (INCLUDE / name).read_text(encoding="utf-8")
            return {call: int(number) for call, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)}
    pytest.skip(f"the kernel's headers for {machine}: {' or '.join(HEADERS[machine])}")


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_headers(machine: str) -> None:
    header = in_header(machine)
    newest = max(number for number in header.values() if number < 1_000)
    ours = {call: number for call, number in numbers(machine).items() if number <= newest}
    assert ours == {call: header.get(call) for call in ours}


@pytest.mark.parametrize("machine", MACHINES)
def test_call_that_a_machine_lacks_is_in_no_header_of_it(machine: str) -> None:
    header = in_header(machine)
    assert not [call for call in set(TABLE) - set(numbers(machine)) if call in header]


@pytest.mark.parametrize("machine", MACHINES)
def test_no_two_calls_have_one_number(machine: str) -> None:
    found = sorted(numbers(machine).values())
    assert len(found) == len(set(found))
    assert found[-1] <= NEWEST


def test_numbers_from_424_on_are_the_same_everywhere() -> None:
    assert not [call for call, (first, second) in TABLE.items() if first >= 424 and first != second]


def test_constants_are_those_of_the_headers() -> None:
    headers = [path for name in CONSTANTS.split() for path in INCLUDE.glob(name)]
    if not headers:
        pytest.skip("the kernel's headers: linux/*.h, asm-generic/*.h")
    text = "\n".join(path.read_text(encoding="utf-8") for path in headers)
    found = {
        name: int(value, 0) for name, value in re.findall(r"\b(\w+)\s*[\s=]\s*(0[xX][0-9a-fA-F]+|0|[1-9]\d*)\b", text)
    }
    found.update({name: int(getattr(socket, name)) for name in VALUES if hasattr(socket, name)})
    found.update(MADE_OF)
    assert {name: found.get(name) for name in VALUES} == VALUES
