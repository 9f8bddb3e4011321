"""The filter in a real kernel: what it refuses works without it, or fails in another way; all else goes on as before.

`acts.py` makes the calls, in throw-away processes.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from netguard.seccomp import table
from netguard.seccomp.abi import MACHINE, NUMBERS
from netguard.seccomp.table import by_call
from tests.support.kernel import seccomp_missing

ACTS = Path(__file__).with_name("acts.py")

#: How each ends under the filter. Without it, it ends in another way on any kernel and for any user.
REFUSED = {
    "socket packet": "EAFNOSUPPORT",
    "socket packet garbage": "EAFNOSUPPORT",
    "socket ping": "EPROTONOSUPPORT",
    "socket generic netlink": "EPROTONOSUPPORT",
    "socketpair inet": "EAFNOSUPPORT",
    "option source route": "EPERM",
    "option device": "EPERM",
    "option device number": "EPERM",
    "option unicast": "EPERM",
    "option group": "EPERM",
    "option other protocol": "EPERM",
    "clone3": "ENOSYS",
    "unshare files": "EPERM",
    "ptrace": "EPERM",
    "process memory": "EPERM",
    "pidfd_getfd": "EPERM",
    "other's limit": "EPERM",
    "lease": "EPERM",
    "typing": "EPERM",
    "typing garbage": "EPERM",
    "line discipline": "EPERM",
    "tun": "EPERM",
    "vhost": "EPERM",
    "userfaultfd device": "EPERM",
    "dumpable": "dumpable 1",
    "tracer": "EPERM",
    "filter with listener": "EPERM",
}

if MACHINE == "x86_64":
    REFUSED["int 0x80"] = "signal 31"

#: The same, where the kernel has it and the user may.
REFUSED_ANYWHERE = {
    "socket old packet": "EPERM",
    "socket raw": "EPERM",
    "socket mptcp": "EPROTONOSUPPORT",
    "socket sctp": "EPROTONOSUPPORT",
    "socket udplite": "EPROTONOSUPPORT",
    "socket netfilter": "EPROTONOSUPPORT",
    "socket vsock": "EAFNOSUPPORT",
    "socket alg": "EAFNOSUPPORT",
    "socket xdp": "EAFNOSUPPORT",
    "option segments": "EPERM",
    "option destination header": "EPERM",
    "option flow label": "EPERM",
    "option unicast6": "EPERM",
    "option packet info6": "EPERM",
    "option group6": "EPERM",
    "option other family": "EPERM",
    "option mark": "EPERM",
    "option repair": "EPERM",
    "option transparent": "EPERM",
    "x32": "ENOSYS",
    "x32 number": "ENOSYS",
    "newer": "ENOSYS",
    "io_uring": "ENOSYS",
    "clone namespace": "EPERM",
    "clone descriptors": "EPERM",
    "unshare": "EPERM",
    "setns": "EPERM",
    "shown memory": "EPERM",
    **{
        f"refused {call}": rows[0][2]
        for call, rows in by_call(table.ROWS).items()
        if len(rows) == 1 and not rows[0][1] and rows[0][2] != table.NOTIFY
        if call in NUMBERS and call != "vhangup"
    },
}

#: What ends as it does without the filter.
UNCHANGED = {
    "socket tcp": "ok",
    "socket udp6": "ok",
    "socket garbage": "ok",
    "socket unix": "ok",
    "socket route": "ok",
    "socketpair": "ok",
    "option keepalive": "ok",
    "option nodelay": "ok",
    "option v6only": "ok",
    "threads": "4 threads, a child of 7",
    "clone": "ok",
    "own limit": "ok",
    "window size": "ok",
    "filter": "ok",
    "filter with unknown flag": "EINVAL",
    "send": "ok",
}

#: What is handed over; the kernel says so where nobody listens.
HANDED_OVER = ["connect", "sendto", "sendmsg", "sendmmsg", "bind", "listen", "execve", "execveat"]

#: What is refused where Landlock cannot keep signals in.
SIGNALS = {
    "pidfd_send_signal": "ENOSYS",
    "owner": "EPERM",
    "owner by ioctl": "EPERM",
}


@functools.cache
def ends(mode: str) -> dict[str, str]:
    """How each act ends: `bare`, `static`, `notify` or `signals`."""
    command = [sys.executable, "-I", "-S", str(ACTS), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.kernel
@pytest.mark.parametrize("act", REFUSED)
def test_act_is_refused(act: str) -> None:
    assert ends("bare")[act] != REFUSED[act], "it shows nothing"
    assert ends("static")[act] == ends("notify")[act] == REFUSED[act]


@pytest.mark.parametrize("act", REFUSED_ANYWHERE)
def test_act_is_refused_to_who_could(act: str) -> None:
    """Skipped only after the filter was tried: what is missing is what would show that it matters."""
    if seccomp_missing():
        pytest.skip(seccomp_missing())
    assert ends("static")[act] == REFUSED_ANYWHERE[act]
    if ends("bare")[act] == REFUSED_ANYWHERE[act]:
        pytest.skip(f"this kernel does not know it, or the user may not: {act} ({REFUSED_ANYWHERE[act]})")


@pytest.mark.kernel
@pytest.mark.parametrize("act", UNCHANGED)
def test_act_goes_on(act: str) -> None:
    assert ends("bare")[act] == ends("static")[act] == ends("notify")[act] == ends("signals")[act] == UNCHANGED[act]


@pytest.mark.kernel
@pytest.mark.parametrize("act", HANDED_OVER)
def test_act_is_handed_over(act: str) -> None:
    assert ends("bare")[act] != "ENOSYS"
    assert ends("notify")[act] == "ENOSYS"
    assert ends("static")[act] == ends("bare")[act]


@pytest.mark.kernel
@pytest.mark.parametrize("act", SIGNALS)
def test_signal_is_kept_in(act: str) -> None:
    assert ends("static")[act] == ends("notify")[act] == ends("bare")[act] != SIGNALS[act]
    assert ends("signals")[act] == SIGNALS[act]


@pytest.mark.kernel
@pytest.mark.parametrize("act", ["kill", "pidfd_open"])
def test_signal_is_handed_over_where_landlock_cannot_keep_it_in(act: str) -> None:
    assert ends("bare")[act] == ends("static")[act] == ends("notify")[act] == "ok"
    assert ends("signals")[act] == "ENOSYS"


@pytest.mark.kernel
def test_process_that_changed_its_user_can_be_looked_into_again() -> None:
    """`setuid` keeps the supervisor out, and with that all connections; the guest's starter undoes it."""
    assert ends("static")["dumpable again"] == ends("notify")["dumpable again"] == ends("bare")["dumpable again"]
