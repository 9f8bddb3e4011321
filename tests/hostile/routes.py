"""Sends to this machine's own addresses so that the packets leave it: `routes.py bare|filtered`, in a fresh network.

What leaves is read from a tun device, the only way out there is. Prints JSON: what each try ended in, and which left.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from netguard.seccomp import abi, filters

# <linux/if_tun.h>, <linux/sockios.h>, <linux/if.h>
TUNSETIFF, IFF_TUN_NO_PI = 0x400454CA, 0x1001
SIOCSIFADDR, SIOCSIFFLAGS, SIOCSIFNETMASK = 0x8916, 0x8914, 0x891C
IFF_UP_RUNNING = 0x41

# <linux/in6.h>
IPV6_FLOWLABEL_MGR, IPV6_FLOWINFO_SEND = 32, 33

DEVICE = b"out"
LABEL = 0x12345
HERE, HERE6, AWAY, AWAY6 = "127.0.0.1", "::1", "10.9.9.9", "fd00::66"
PORT, GROUP = 0xBEEF, "239.7.8.9"

SEGMENTS = struct.pack("BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + socket.inet_pton(socket.AF_INET6, AWAY6)


def way_out() -> int:
    """A device with the routes to `AWAY` and `AWAY6`; returns the descriptor to read packets from."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN_NO_PI))
    with socket.socket(type=socket.SOCK_DGRAM) as some, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as some6:
        for request, address in ((SIOCSIFADDR, "10.9.9.1"), (SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(some, request, struct.pack("16sHH4s8x", DEVICE, socket.AF_INET, 0, socket.inet_aton(address)))
        fcntl.ioctl(some, SIOCSIFFLAGS, struct.pack("16sH14x", DEVICE, IFF_UP_RUNNING))
        own = socket.inet_pton(socket.AF_INET6, "fd00::1")
        fcntl.ioctl(some6, SIOCSIFADDR, own + struct.pack("Ii", 64, number()))
    return tun


def number() -> int:
    """The device's number."""
    return socket.if_nametoindex(DEVICE.decode())


def say(mark: bytes, level: int, option: int, value: bytes, *, to: str = HERE) -> None:
    """A datagram to this machine itself, after an option was set."""
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as some:
        some.setsockopt(level, option, value)
        some.sendto(mark, (to, 9))


def label() -> None:
    """A flow label that has a routing header (type 2, for mobile machines), and a datagram of that label."""
    header = struct.pack("BBBBI", 0, 2, 2, 1, 0) + socket.inet_pton(socket.AF_INET6, AWAY6)
    request = (
        socket.inet_pton(socket.AF_INET6, HERE6) + struct.pack("!I", LABEL) + struct.pack("BBHHHI", 0, 1, 1, 9, 9, 0)
    )
    carried = struct.pack("Nii", 16 + len(header), socket.IPPROTO_IPV6, socket.IPV6_RTHDR) + header
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as some:
        some.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, request + carried)
        some.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1)
        some.sendto(b"MARK-E", (HERE6, 9, LABEL, 0))


def connect() -> None:
    """TCP, the same way: the first packet is on its way before anything fails."""
    with socket.socket() as some:
        some.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE)
        some.setblocking(False)
        some.connect_ex((HERE, PORT))


JOINED: list[socket.socket] = []


def join() -> None:
    """A multicast group, which is announced to the network some time later, as long as the socket is there."""
    JOINED.append(socket.socket(type=socket.SOCK_DGRAM))
    request = socket.inet_aton(GROUP) + struct.pack("4si", b"", number())
    JOINED[0].setsockopt(socket.SOL_IP, socket.IP_ADD_MEMBERSHIP, request)


#: Name -> how, and what the packet that leaves has in it.
WAYS: dict[str, tuple[Callable[[], object], bytes]] = {
    "device": (lambda: say(b"MARK-A", 1, 25, DEVICE), b"MARK-A"),
    "device number": (lambda: say(b"MARK-B", 1, 62, struct.pack("i", number())), b"MARK-B"),
    "unicast": (lambda: say(b"MARK-C", 0, 50, struct.pack("!i", number())), b"MARK-C"),
    "connect": (connect, struct.pack("!H", PORT)),
    "segments": (lambda: say(b"MARK-D", 41, 57, SEGMENTS, to=HERE6), b"MARK-D"),
    "flow label": (label, b"MARK-E"),
    "group": (join, socket.inet_aton(GROUP)),
}


def guest(mode: str, report: int) -> None:
    """Tries all of them as an ordinary user, and sends one packet that may leave; stays until it is ended."""
    try:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    except OSError:
        pass  # root of a user namespace that has no one else
    abi.no_new_privs()
    if mode == "filtered":
        abi.install_filter(filters.program(abi.MACHINE, notify=False))
    found = {}
    for name, (act, _) in WAYS.items():
        try:
            act()
            found[name] = "ok"
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno or 0, str(error))
    os.write(report, json.dumps(found).encode())
    with socket.socket(type=socket.SOCK_DGRAM) as some:
        some.sendto(b"THE-LAST", (AWAY, 9))
    select.select([report], [], [])


def left(tun: int, expected: set[str]) -> set[str]:
    """What left the machine before the last packet; what is expected is waited for."""
    seen: set[str] = set()
    last = False
    while not (last and expected <= seen):
        if not select.select([tun], [], [], 20)[0]:
            break
        packet = os.read(tun, 4096)
        last = last or b"THE-LAST" in packet
        seen.update(name for name, (_, sign) in WAYS.items() if sign in packet)
    return seen


def main(mode: str) -> None:
    """Starts the guest and reads what leaves."""
    tun = way_out()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        guest(mode, theirs.fileno())
        os._exit(0)
    theirs.close()
    found = json.loads(ours.recv(4096))
    away = left(tun, {name for name, ended in found.items() if ended == "ok"})
    ours.close()
    os.waitpid(pid, 0)
    print(json.dumps({"ended": found, "left": sorted(away)}))


if __name__ == "__main__":
    main(sys.argv[1])
