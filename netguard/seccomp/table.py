"""What the filter does with each system call: the one table. `filters.py` makes of it what the kernel runs.

The rows of a call are tried in their order, and the first whose condition holds decides; a call without one is allowed.
A condition is any number of terms, all of which hold: `argument=A|B` is one of these values, `argument&A|B` has one of
these bits. A filter sees the registers alone, so no condition is about what an argument points to.

Of an `int` the kernel reads a register's lower 32 bits, and so does a condition. `NULL` is a pointer, all 64 of it.
What the table refuses, it refuses without asking: the supervisor never hears of it.
"""

from __future__ import annotations

from netguard.seccomp.numbers import NEWEST

ALLOW, NOTIFY, KILL, SUCCEED = "allow", "ask", "kill", "succeed"

#: The calls that are handed to the supervisor, each decided, recorded and carried out by it, or let go on.
NOTIFIED = ("connect", "sendto", "sendmsg", "sendmmsg", "recvfrom", "bind", "listen", "execve", "execveat")

#: And these where Landlock cannot keep a guest's signals from processes outside.
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open")

#: And these where a guest's descriptors cannot be copied, so that its sockets have to be made for it.
MAKING = ("socket", "socketpair", "accept", "accept4")

#: Name of an argument -> its place, for each call that has a condition.
ARGUMENTS = {
    "clone": {"flags": 0},
    "fanotify_init": {"flags": 0},
    "fcntl": {"command": 1},
    "ioctl": {"request": 1},
    "memfd_create": {"flags": 1},
    "prctl": {"option": 0, "value": 1},
    "prlimit64": {"pid": 0, "new": 2},
    "seccomp": {"operation": 0, "flags": 1},
    "recvfrom": {"address": 4},
    "sendmmsg": {"flags": 3},
    "sendmsg": {"flags": 2},
    "sendto": {"address": 4, "flags": 3},
    "setsockopt": {"level": 1, "option": 2},
    "socket": {"family": 0, "type": 1, "protocol": 2},
    "socketpair": {"family": 0},
}

#: A row: calls, condition, decision, why.
Row = tuple[str, str, str, str]

#: What comes before any call's rows: which calls, the decision, why.
FIRST = (
    (
        "any, of another architecture (`int 0x80` on x86-64)",
        KILL,
        "it has other numbers for its calls, so that no row would hold for it",
    ),
    (
        f"any with a number above {NEWEST}, and so all of x32",
        "ENOSYS",
        "what a newer kernel adds may reach the network by a way that nobody has looked at; programs take the kernel "
        "for an older one. The calls of x32 are x86-64's under other numbers",
    ),
)

ROWS: tuple[Row, ...] = (
    # The network
    ("connect", "", NOTIFY, "names a destination, in memory that other threads change: the supervisor reads it once"),
    ("sendto", "address=NULL", ALLOW, "this is `send`: it goes where the socket was connected to"),
    ("sendto", "", NOTIFY, "names a destination"),
    ("sendmsg sendmmsg", "", NOTIFY, "a destination may stand behind their pointer, where no filter can look"),
    ("recvfrom", "address=NULL", ALLOW, "this is `recv`: nobody asks who has sent it"),
    (
        "recvfrom",
        "",
        NOTIFY,
        "asks who has sent it: to a question of a name server the supervisor has answered, and says that it was the "
        "server that was asked. All else is let go on at once",
    ),
    ("bind listen", "", NOTIFY, "open this machine to others"),
    ("execve execveat", "", NOTIFY, "start a program: decided on, and then the kernel goes on, for nobody else can"),
    ("socket", "family=AF_UNIX", ALLOW, "its connections are decided on"),
    (
        "socket",
        "family=AF_INET|AF_INET6 type=SOCK_STREAM protocol=0|IPPROTO_TCP",
        ALLOW,
        "TCP; connections are decided on",
    ),
    (
        "socket",
        "family=AF_INET|AF_INET6 type=SOCK_DGRAM protocol=0|IPPROTO_UDP",
        ALLOW,
        "UDP; destinations are decided on",
    ),
    (
        "socket",
        "family=AF_INET|AF_INET6 type=SOCK_RAW|SOCK_PACKET",
        "EPERM",
        "packets with any header, to any destination",
    ),
    (
        "socket",
        "family=AF_INET|AF_INET6 type=SOCK_STREAM|SOCK_DGRAM",
        "EPROTONOSUPPORT",
        "MPTCP, SCTP, SMC, UDP-Lite, ping: reach further destinations than a call names, some by a socket option; "
        "programs fall back to TCP",
    ),
    ("socket", "family=AF_INET|AF_INET6", "ESOCKTNOSUPPORT", "other types are those of other protocols: SCTP, DCCP"),
    ("socket", "family=AF_NETLINK protocol=NETLINK_ROUTE", ALLOW, "asked by `getaddrinfo` which addresses there are"),
    ("socket", "family=AF_NETLINK", "EPROTONOSUPPORT", "netfilter, IPsec, audit: change what packets do, or watch"),
    (
        "socket",
        "",
        "EAFNOSUPPORT",
        "other networks: packet, vsock, XDP, Bluetooth, TIPC, SMC; the kernel's cryptography",
    ),
    ("socketpair", "family=AF_UNIX", ALLOW, "two ends in this process's own hands"),
    ("socketpair", "", "EAFNOSUPPORT", "TIPC's are sockets of a network"),
    (
        "setsockopt",
        "level=SOL_IP option=IP_OPTIONS",
        "EPERM",
        "source routing: packets for an approved address go to another one first",
    ),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_RTHDR|IPV6_HOPOPTS|IPV6_RTHDRDSTOPTS|IPV6_DSTOPTS|IPV6_2292PKTOPTIONS|IPV6_NEXTHOP",
        "EPERM",
        "source routing: with a routing header, which anyone may set, packets for `::1` leave for another machine",
    ),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_FLOWLABEL_MGR",
        "EPERM",
        "the same: a flow label may have a routing header, which then goes with every packet of that label",
    ),
    (
        "setsockopt",
        "level=SOL_SOCKET option=SO_BINDTODEVICE|SO_BINDTOIFINDEX|SO_MARK",
        "EPERM",
        "choose the interface or routing table: packets for 127.0.0.1 leave the machine, and those for an address in a "
        "VPN leave outside it",
    ),
    ("setsockopt", "level=SOL_IP option=IP_UNICAST_IF", "EPERM", "chooses the interface, as `SO_BINDTODEVICE` does"),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_UNICAST_IF|IPV6_PKTINFO",
        "EPERM",
        "choose the interface, as `SO_BINDTODEVICE` does",
    ),
    (
        "setsockopt",
        "level=SOL_IP option=IP_ADD_MEMBERSHIP|IP_ADD_SOURCE_MEMBERSHIP|IP_MSFILTER"
        "|MCAST_JOIN_GROUP|MCAST_JOIN_SOURCE_GROUP|MCAST_MSFILTER",
        "EPERM",
        "joining a group sends a packet that names it, 28 bits of the caller's choice, with nothing to decide on",
    ),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_ADD_MEMBERSHIP|IPV6_JOIN_ANYCAST"
        "|MCAST_JOIN_GROUP|MCAST_JOIN_SOURCE_GROUP|MCAST_MSFILTER",
        "EPERM",
        "the same, with 112 bits",
    ),
    (
        "setsockopt",
        "level=SOL_IP option=IP_TRANSPARENT|IP_XFRM_POLICY|IP_IPSEC_POLICY|IPT_SO_SET_REPLACE",
        "EPERM",
        "for root: take over others' addresses, send packets through a tunnel, rewrite destinations",
    ),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_TRANSPARENT|IPV6_XFRM_POLICY|IPV6_IPSEC_POLICY|IP6T_SO_SET_REPLACE",
        "EPERM",
        "the same",
    ),
    (
        "setsockopt",
        "level=SOL_IPV6 option=IPV6_ADDRFORM",
        "EPERM",
        "makes an IPv6 socket an IPv4 one, which reads an address in another way than was decided on",
    ),
    (
        "setsockopt",
        "level=SOL_TCP option=TCP_REPAIR|TCP_ULP",
        "EPERM",
        "for root, a connection without `connect`; another protocol than was decided on. The kernel's TLS goes too, "
        "and libraries do their own",
    ),
    (
        "io_uring_setup io_uring_enter io_uring_register",
        "",
        "ENOSYS",
        "connect and send without a call that a filter sees",
    ),
    ("ioctl", "request=TUNSETIFF|VHOST_SET_OWNER", "EPERM", "hand packets to a device, past all sockets"),
    ("bpf", "", "EPERM", "programs inside the kernel"),
    # Other processes, and the supervisor
    ("ptrace process_vm_readv process_vm_writev", "", "EPERM", "act as another process, or read what it knows"),
    ("pidfd_getfd", "", "EPERM", "takes another process's sockets"),
    ("process_madvise process_mrelease kcmp", "", "EPERM", "take another process's memory, or say what it shares"),
    ("perf_event_open", "", "EPERM", "watches other processes and the kernel"),
    ("prlimit64", "pid=0", ALLOW, "its own limits"),
    ("prlimit64", "new=NULL", ALLOW, "reads"),
    ("prlimit64", "", "EPERM", "takes descriptors or processor time from the supervisor"),
    ("userfaultfd", "", "EPERM", "holds up whoever reads the memory, and so the supervisor"),
    ("ioctl", "request=USERFAULTFD_IOC_NEW", "EPERM", "the same, through a device"),
    ("fcntl", "command=F_SETLEASE", "EPERM", "a lease holds up whoever opens the file, and so the supervisor"),
    (
        "fanotify_init",
        "flags&FAN_CLASS_CONTENT|FAN_CLASS_PRE_CONTENT",
        "EPERM",
        "for root: holds up whoever opens a file, and so the supervisor",
    ),
    ("ioctl", "request=TIOCSTI|TIOCLINUX", "EPERM", "type into the terminal, for the shell that comes after"),
    ("ioctl", "request=TIOCSETD|TIOCCONS", "EPERM", "a terminal as a network interface; the console's output"),
    # What would take the guard's sight
    ("prctl", "option=PR_SET_DUMPABLE value=1", ALLOW, "undoes what `setuid` did, which keeps the supervisor out"),
    (
        "prctl",
        "option=PR_SET_DUMPABLE",
        SUCCEED,
        "nothing is done: it would keep the supervisor out, and so fail every connection",
    ),
    ("prctl", "option=PR_SET_PTRACER", "EPERM", "opens its memory to any process, where Yama keeps it closed"),
    ("prctl", "option=PR_SET_MM", "EPERM", "shows another program and other arguments than run"),
    (
        "seccomp",
        "operation=SECCOMP_SET_MODE_FILTER flags&SECCOMP_FILTER_FLAG_NEW_LISTENER",
        "EPERM",
        "calls would be handed to a supervisor of the guest's. Filters without one only tighten",
    ),
    (
        "clone",
        "flags&CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET",
        "EPERM",
        "namespaces give rights, and other meanings to paths, process numbers and addresses",
    ),
    ("clone", "flags&CLONE_THREAD", ALLOW, "a thread"),
    (
        "clone",
        "flags&CLONE_FILES",
        "EPERM",
        "descriptors that a process shares with another could be others by the time the kernel goes on with a call. "
        "Those of threads are reckoned with",
    ),
    ("clone3", "", "ENOSYS", "its flags are behind a pointer; C libraries fall back to `clone`"),
    ("unshare setns", "", "EPERM", "namespaces, as for `clone`"),
    # What a sandbox refuses; most of it is for root
    (
        "mount umount2 pivot_root chroot"
        " open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr",
        "",
        "EPERM",
        "other meanings for paths that were decided on",
    ),
    ("open_by_handle_at", "", "EPERM", "opens files without a path"),
    ("add_key request_key keyctl", "", "EPERM", "the kernel's keys, which are the user's and not the process's"),
    ("init_module finit_module delete_module kexec_load kexec_file_load", "", "EPERM", "for root: another kernel"),
    ("iopl ioperm modify_ldt uselib", "", "EPERM", "the machine itself, and ways of old that only attacks still go"),
    ("swapon swapoff reboot acct quotactl quotactl_fd vhangup", "", "EPERM", "for root: the machine"),
    ("settimeofday clock_settime", "", "EPERM", "for root: the clock that the record's times come from"),
)

#: Rows that come before, where Landlock cannot keep signals in (before Linux 6.12).
SIGNAL_ROWS: tuple[Row, ...] = (
    (" ".join(SIGNALS), "", NOTIFY, "end or stop the supervisor; its numbers are refused, all others go on"),
    ("pidfd_send_signal", "", "ENOSYS", "takes a folder of `/proc` for the process; programs fall back to `kill`"),
    ("fcntl", "command=F_SETOWN|F_SETOWN_EX", "EPERM", "has the kernel send a signal to any process of the user's"),
    ("ioctl", "request=FIOSETOWN|SIOCSPGRP", "EPERM", "the same"),
)

#: Rows that come before, where Landlock holds the kernel to a list of files that may start.
LIST_ROWS: tuple[Row, ...] = (
    ("memfd_create", "flags&MFD_NOEXEC_SEAL", ALLOW, "a file in memory that can never be started"),
    ("memfd_create", "", "ENOSYS", "Landlock asks nobody about a file that lives in memory alone, on no list"),
)

#: Rows that come before, where a guest's descriptors cannot be copied (tier B).
HOLD_ROWS: tuple[Row, ...] = (
    ("socket", "family=AF_UNIX", NOTIFY, "made by the supervisor, who keeps a copy to act on; so are the next three"),
    ("socket", "family=AF_INET|AF_INET6 type=SOCK_STREAM protocol=0|IPPROTO_TCP", NOTIFY, "TCP"),
    ("socket", "family=AF_INET|AF_INET6 type=SOCK_DGRAM protocol=0|IPPROTO_UDP", NOTIFY, "UDP"),
    ("socket", "family=AF_NETLINK protocol=NETLINK_ROUTE", NOTIFY, "asked which addresses there are"),
    ("socketpair", "family=AF_UNIX", NOTIFY, "both ends are made by the supervisor: descriptors are passed over them"),
    ("accept accept4", "", NOTIFY, "the connection's socket is made by the supervisor too"),
)

#: Rows that come before, where nobody is asked (tier C) and no rule grants that protocol: protocol -> rows.
CLOSED_ROWS: dict[str, tuple[Row, ...]] = {
    "tcp": (("socket", "family=AF_INET|AF_INET6 type=SOCK_STREAM", "EACCES", "no rule grants TCP"),),
    "udp": (("socket", "family=AF_INET|AF_INET6 type=SOCK_DGRAM", "EACCES", "no rule grants UDP"),),
    "fast open": (
        ("sendto sendmsg sendmmsg", "flags&MSG_FASTOPEN", "EOPNOTSUPP", "connects, and Landlock does not hear of it"),
    ),
}

#: What stays allowed although it looks as if it should not, and why. `call: option, option` or calls.
LEFT = {
    "accept4, recvmsg, read, shutdown, getpeername": "name no destination",
    "write, sendfile, splice, vmsplice, io_submit": "go where the socket was connected to; they cannot connect one",
    "close, dup3, close_range": "refused for the channel, they make Python 3.13 and glibc spin for ever",
    "setsockopt: SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, UDP_ENCAP": "concern what arrives at the socket",
    "setsockopt: IP_FREEBIND, SO_REUSEPORT": "the `bind` that follows is decided on",
    "setsockopt: IP_MULTICAST_IF, IP_MULTICAST_TTL": "for multicast destinations, which are decided on",
    "setsockopt: TCP_FASTOPEN_CONNECT, SO_DONTROUTE, IP_TTL": "the destination stays the same",
    "seccomp, landlock_restrict_self": "take rights away, from the caller alone",
    "prctl: PR_SET_SECCOMP": "the same",
    "prctl: PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER": "its own end and its own children; the supervisor waits for all",
    "prctl: PR_SET_SYSCALL_USER_DISPATCH": "what it lets through still passes the filter",
    "personality": "the numbers of calls stay the same",
    "memfd_create, memfd_secret": "starting a file in memory is decided on; memory that nobody reads holds no address",
    "close_range: CLOSE_RANGE_UNSHARE": "descriptors of a thread's own: what is acted on is what was decided on",
    "msgget, shmget, semget, mq_open": "this machine's own, as files are",
    "setpriority, sched_setaffinity, ioprio_set": "can slow the supervisor down, and so only the guest itself",
    "move_pages, migrate_pages, get_robust_list": "of another process only for who may trace it",
    "name_to_handle_at, syslog, adjtimex": "read, or change nothing outside the process but for root",
    "ioctl: SIOCADDRT, SIOCSIFADDR": "root alone changes routes, by netlink too; a guest that is root is not held",
}


def by_call(rows: tuple[Row, ...]) -> dict[str, list[Row]]:
    """The rows of each call, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        for call in row[0].split():
            found.setdefault(call, []).append(row)
    return found
