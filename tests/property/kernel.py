"""Does what a guest would with socket addresses, and says what the kernel made of them.

Run inside a namespace in which every address is this machine's. Each line of input is a list of [act, domain, type, the
address in hex]; each is answered with a list: an errno's number, or the kernel's own address in hex, "" where there is
none. A datagram's destination is what the one server hears that has them all; its port is the first line of output.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, sock: socket.socket, address: bytes) -> int:
    """One call with an address as it is; 0, or the errno."""
    return ctypes.get_errno() if libc[name](sock.fileno(), address, len(address)) else 0


def shown(name: str, sock: socket.socket) -> str:
    """The kernel's address of a socket; "" for none."""
    room = ctypes.create_string_buffer(256)
    length = ctypes.c_uint32(256)
    return "" if libc[name](sock.fileno(), room, ctypes.byref(length)) else room.raw[: min(length.value, 256)].hex()


def connect(domain: int, kind: int, address: bytes) -> int | str:
    with socket.socket(domain, kind) as sock:
        sock.setblocking(False)
        return call("connect", sock, address) or shown("getpeername", sock)


def bind(domain: int, kind: int, address: bytes) -> int | str:
    with socket.socket(domain, kind) as sock:
        found = call("bind", sock, address) or shown("getsockname", sock)
    if domain == socket.AF_UNIX and type(found) is str:
        for name in os.listdir(b"."):
            os.unlink(name)
    return found


def send(domain: int, kind: int, address: bytes) -> int | str:
    with socket.socket(domain, kind) as sock:
        if libc.sendto(sock.fileno(), b"x", 1, 0, address, len(address)) < 0:
            return ctypes.get_errno()
    try:
        _, control, _, _ = heard.recvmsg(16, 256)
    except BlockingIOError:
        return ""
    return {(level, kind): data for level, kind, data in control}[41, 50][:16].hex()  # IPV6_PKTINFO


ACTS = {"connect": connect, "bind": bind, "send": send}

heard = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
heard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
heard.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
heard.setblocking(False)
heard.bind(("::", 0))
PORT = heard.getsockname()[1]
listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
print(PORT, flush=True)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for line in sys.stdin:
        cases = json.loads(line)
        ends = [ACTS[act](domain, kind, bytes.fromhex(text)) for act, domain, kind, text in cases]
        print(json.dumps(ends), flush=True)
        listener.setblocking(False)
        try:
            while True:
                listener.accept()[0].close()
        except BlockingIOError:
            pass
