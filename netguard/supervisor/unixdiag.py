"""Asks the kernel where a unix socket is bound: the file it made, not the path that a process says or a link leads to.

A path can be made to lead to another's socket after the bind; the inode that the bind itself made cannot.
Source of the format: Linux include/uapi/linux/{netlink,sock_diag,unix_diag}.h; sock_diag(7).
"""

from __future__ import annotations

import _socket as socket
import os

from netguard.core.abstract import shown as abstract

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
UDIAG_SHOW_NAME, UDIAG_SHOW_VFS = 1, 2
UNIX_DIAG_NAME, UNIX_DIAG_VFS = 0, 1

#: struct nlmsghdr: length, type, flags, sequence, port. struct unix_diag_req: family, protocol, pad, states, inode,
#: show, cookie (all ones: any). Attributes begin behind nlmsghdr and struct unix_diag_msg.
HEADER, REQUEST, ATTRIBUTES = "=IHHII", "=BBHIIIII", 32
ANY = 2**32 - 1


def place_of(inode: int) -> str:
    """Where the socket with this inode is bound: "@name" abstract, or "device:inode" of its file; "" if unknown.

    Total: without CONFIG_UNIX_DIAG, or for a socket of another network namespace, nothing is known.
    """
    try:
        answer = _asked(inode)
    except OSError:
        return ""
    found = dict(_attributes(answer))
    name, file = found.get(UNIX_DIAG_NAME, b""), found.get(UNIX_DIAG_VFS, b"")
    if name[:1] == b"\0":
        return abstract(os.fsdecode(name[1:]))
    if len(file) != 8:
        return ""
    number, device = _unpacked("=II", file)
    return f"{os.makedev(device >> 20, device & 0xFFFFF)}:{number}"


def file_of(path: str) -> str:
    """What a path leads to now, in the form of `place_of`; "" if nothing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def _asked(inode: int) -> bytes:
    """The kernel's answer about one socket. Raises OSError."""
    import struct

    show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS
    request = struct.pack(REQUEST, socket.AF_UNIX, 0, 0, ANY, inode, show, ANY, ANY)
    length = struct.calcsize(HEADER) + len(request)
    with_header = struct.pack(HEADER, length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    try:
        diag.send(with_header)
        answer = diag.recv(8_192)
    finally:
        diag.close()
    return answer if _unpacked("=IH", answer)[1] == SOCK_DIAG_BY_FAMILY else b""


def _attributes(answer: bytes) -> list[tuple[int, bytes]]:
    """The attributes of an answer: (type, value)."""
    found = []
    at = ATTRIBUTES
    while at + 4 <= len(answer):
        length, kind = _unpacked("=HH", answer[at:])
        if length < 4:
            break
        found.append((kind, answer[at + 4 : at + length]))
        at += (length + 3) & ~3
    return found


def _unpacked(form: str, data: bytes) -> tuple[int, ...]:
    import struct

    return struct.unpack_from(form, data)
