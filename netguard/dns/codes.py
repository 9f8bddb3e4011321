"""The numbers of DNS that netguard knows by name, and the fixed parts of a message (RFC 1035 section 4.1)."""

from __future__ import annotations

import struct

#: The header: id, flags, and how many questions, answers, authority and additional records.
HEAD = struct.Struct("!6H")

#: Flags of the header (RFC 1035 section 4.1.1, RFC 4035 section 3.2), and the one of EDNS (RFC 3225).
QR, OPCODE, TC, RD, RA, AD, CD, RCODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010, 0x000F
DO = 0x8000

#: Behind a question's name: type and class. Behind a record's: type, class, time to live, length of its data.
TAIL, FIXED = struct.Struct("!HH"), struct.Struct("!HHIH")

#: An OPT record (RFC 6891): the root as owner, type, size of a datagram, upper bits of the response code, version,
#: flags, length of its options. An option: code and length.
OPTION, PAIR = struct.Struct("!BHHBBHH"), struct.Struct("!HH")

#: The class of the Internet.
IN = 1

#: Record types.
A, NS, CNAME, SOA, PTR, MX, AAAA, SRV, DNAME, OPT, DS = 1, 2, 5, 6, 12, 15, 28, 33, 39, 41, 43
RRSIG, NSEC, NSEC3, SVCB, HTTPS, ANY = 46, 47, 50, 64, 65, 255

#: Response codes (RFC 1035 section 4.1.1, RFC 6891 section 6.1.3).
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

#: Codes of an extended error (RFC 8914): the option, and why an answer is what it is.
EDE, OTHER, BLOCKED, NETWORK_ERROR = 15, 0, 15, 23

#: Octets of a message: what a datagram carries where nothing else was said (RFC 1035), what servers are asked for (it
#: goes through every network in one piece), the most that a guest is sent in one, and what TCP's length can say.
PLAIN_SIZE, ASKED_SIZE, MAX_SIZE, MAX_MESSAGE = 512, 1232, 4096, 65_535
