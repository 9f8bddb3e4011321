"""The kernel's constants that the table of calls names. The same on every machine."""

from __future__ import annotations

VALUES: dict[str, int] = {
    # <bits/socket.h>
    "AF_UNIX": 1,
    "AF_INET": 2,
    "AF_INET6": 10,
    "AF_NETLINK": 16,
    # <linux/net.h>; SOCK_PACKET makes a packet socket even of AF_INET
    "SOCK_STREAM": 1,
    "SOCK_DGRAM": 2,
    "SOCK_RAW": 3,
    "SOCK_PACKET": 10,
    # <linux/in.h>, <linux/netlink.h>
    "IPPROTO_TCP": 6,
    "IPPROTO_UDP": 17,
    "NETLINK_ROUTE": 0,
    # <bits/socket.h>, <bits/in.h>: levels of socket options
    "SOL_IP": 0,
    "SOL_SOCKET": 1,
    "SOL_TCP": 6,
    "SOL_IPV6": 41,
    # <linux/socket.h>
    "MSG_FASTOPEN": 0x20000000,
    # <asm-generic/socket.h>
    "SO_BINDTODEVICE": 25,
    "SO_MARK": 36,
    "SO_BINDTOIFINDEX": 62,
    # <linux/in.h>, <linux/netfilter_ipv4/ip_tables.h>
    "IP_OPTIONS": 4,
    "IP_IPSEC_POLICY": 16,
    "IP_XFRM_POLICY": 17,
    "IP_TRANSPARENT": 19,
    "IP_ADD_MEMBERSHIP": 35,
    "IP_ADD_SOURCE_MEMBERSHIP": 39,
    "IP_MSFILTER": 41,
    "MCAST_JOIN_GROUP": 42,
    "MCAST_JOIN_SOURCE_GROUP": 46,
    "MCAST_MSFILTER": 48,
    "IP_UNICAST_IF": 50,
    "IPT_SO_SET_REPLACE": 64,
    # <linux/in6.h>, <linux/netfilter_ipv6/ip6_tables.h>
    "IPV6_ADDRFORM": 1,
    "IPV6_2292PKTOPTIONS": 6,
    "IPV6_NEXTHOP": 9,
    "IPV6_ADD_MEMBERSHIP": 20,
    "IPV6_JOIN_ANYCAST": 27,
    "IPV6_FLOWLABEL_MGR": 32,
    "IPV6_IPSEC_POLICY": 34,
    "IPV6_XFRM_POLICY": 35,
    "IPV6_PKTINFO": 50,
    "IPV6_HOPOPTS": 54,
    "IPV6_RTHDRDSTOPTS": 55,
    "IPV6_RTHDR": 57,
    "IPV6_DSTOPTS": 59,
    "IP6T_SO_SET_REPLACE": 64,
    "IPV6_TRANSPARENT": 75,
    "IPV6_UNICAST_IF": 76,
    # <linux/tcp.h>
    "TCP_REPAIR": 19,
    "TCP_ULP": 31,
    # <linux/sched.h>
    "CLONE_FILES": 0x00000400,
    "CLONE_THREAD": 0x00010000,
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
    # <linux/prctl.h>
    "PR_SET_DUMPABLE": 4,
    "PR_SET_MM": 35,
    "PR_SET_PTRACER": 0x59616D61,
    # <linux/seccomp.h>
    "SECCOMP_SET_MODE_FILTER": 1,
    "SECCOMP_FILTER_FLAG_NEW_LISTENER": 8,
    # <asm-generic/ioctls.h>, <asm-generic/sockios.h>, <linux/if_tun.h>, <linux/vhost.h>, <linux/userfaultfd.h>
    "TIOCSTI": 0x5412,
    "TIOCLINUX": 0x541C,
    "TIOCCONS": 0x541D,
    "TIOCSETD": 0x5423,
    "FIOSETOWN": 0x8901,
    "SIOCSPGRP": 0x8902,
    "USERFAULTFD_IOC_NEW": 0xAA00,
    "VHOST_SET_OWNER": 0xAF01,
    "TUNSETIFF": 0x400454CA,
    # <asm-generic/fcntl.h>, <linux/fcntl.h>
    "F_SETOWN": 8,
    "F_SETOWN_EX": 15,
    "F_SETLEASE": 1024,
    # <linux/memfd.h>, since Linux 6.3
    "MFD_NOEXEC_SEAL": 8,
    # <linux/fanotify.h>
    "FAN_CLASS_CONTENT": 4,
    "FAN_CLASS_PRE_CONTENT": 8,
}
