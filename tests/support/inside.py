"""Runs a command in the fresh network and mount namespaces it was started in, all of it after `--`.

Brings `lo` up, makes one name server the only one (127.0.0.1, or --server=ADDRESS), and hides the sockets of the host's
resolvers: a name asked of one of those would be looked up by a process outside. With --anywhere every address is this
machine's. It must never be run in the host's own namespaces.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
import tempfile

# linux/sockios.h, linux/if.h, linux/mount.h
SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP, IFF_RUNNING = 0x8914, 0x8916, 0x1, 0x40
MS_BIND = 0x1000

#: Sockets by which libc's name service reaches a resolver outside: nss-resolve, nscd, mdns.
RESOLVERS = ("/run/systemd/resolve", "/run/nscd", "/var/run/nscd", "/run/avahi-daemon", "/run/dbus")
RESOLV_CONF = "/etc/resolv.conf"

# linux/rtnetlink.h: a route of type "local" in the local table makes an address this machine's own.
RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE = 24, 0x1 | 0x4 | 0x400
RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL, RTA_OIF = 255, 4, 254, 2, 4


def only_lo_is_here() -> bool:
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def bring_lo_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def add_address(address: str) -> None:
    """Makes an IPv6 address ours, so that a server can be bound to it: a local route is enough for IPv4 only."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        packed = socket.inet_pton(socket.AF_INET6, address)
        fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16sIi", packed, 128, socket.if_nametoindex("lo")))


def make_every_address_local(family: int) -> None:
    """Any destination is this machine: a server on the wildcard address sees whatever tries to leave."""
    route = struct.pack("8BI", family, 0, 0, 0, RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL, 0)
    body = route + struct.pack("HHI", 8, RTA_OIF, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("IHHII", 16 + len(body), RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE, 1, 0) + body)
        answer = struct.unpack_from("i", netlink.recv(4096), 16)[0]
    if answer and -answer != errno.EAFNOSUPPORT:  # a kernel without IPv6 has no such route to make
        raise OSError(-answer, os.strerror(-answer), "local route")


def mount(source: str, target: str, kind: "str | None", flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    if libc.mount(*texts, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def hide_resolvers(server: str) -> None:
    """Cover the folders of the host's resolvers, then name the server where resolv.conf is read from."""
    covered = [folder for folder in map(os.path.realpath, RESOLVERS) if os.path.isdir(folder)]
    for folder in covered:
        mount("none", folder, "tmpfs", 0)
    target = os.path.realpath(RESOLV_CONF)
    if os.path.dirname(target) in covered:
        open(target, "w").close()  # the link needs something to point at; this file is on our own tmpfs
    if not os.path.exists(target):
        return  # without the file libc asks 127.0.0.1, which is what we want
    with tempfile.NamedTemporaryFile("w") as ours:
        ours.write(f"nameserver {server}\noptions timeout:1 attempts:1\n")
        ours.flush()
        os.chmod(ours.name, 0o644)
        mount(ours.name, target, None, MS_BIND)


def main() -> None:
    options, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    if not only_lo_is_here():
        sys.exit("inside.py: this is not a fresh network namespace")
    bring_lo_up()
    if "--anywhere" in options:
        make_every_address_local(socket.AF_INET)
        make_every_address_local(socket.AF_INET6)
    servers = [option.partition("=")[2] for option in options if option.startswith("--server=")]
    for server in servers:
        if ":" in server:
            add_address(server)
    hide_resolvers((servers or ["127.0.0.1"])[0])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
