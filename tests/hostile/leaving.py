"""Runs a command where a tun device is the only way out, and prints as JSON which marks left the machine by it.

In a fresh network: `leaving.py COMMAND…`. Packets with `MARK-…` in them count; `THE-LAST` has to leave, and ends it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.hostile import routes

#: <linux/ipv6_route.h>, <linux/route.h>: struct in6_rtmsg of a route to everywhere, over a device.
SIOCADDRT, IN6_RTMSG, RTF_UP = 0x890B, struct.Struct("48xIHHILIi4x"), 1

#: The device's own link-local address, to which a scope belongs.
ON_LINK = "fe80::5"


def main(command: list[str]) -> None:
    """Reads what leaves while the command runs, and says what the command said."""
    tun = routes.way_out()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as some:
        own = socket.inet_pton(socket.AF_INET6, ON_LINK)
        fcntl.ioctl(some, routes.SIOCSIFADDR, own + struct.pack("Ii", 64, routes.number()))
        fcntl.ioctl(some, SIOCADDRT, IN6_RTMSG.pack(0, 0, 0, 1, 0, RTF_UP, routes.number()))
    left: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        while select.select([tun], [], [], 30)[0]:
            packet = os.read(tun, 4096)
            left.update(mark.decode() for mark in re.findall(rb"MARK-\w+", packet))
            if b"THE-LAST" in packet:
                break
        said = running.communicate(timeout=30)[0].splitlines()
    print(json.dumps({"left": sorted(left), "said": json.loads(said[-1])}))


if __name__ == "__main__":
    main(sys.argv[1:])
