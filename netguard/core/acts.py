"""From a guest's question to the request that is decided and the objects that its trail line carries.

Pure: what the file system or the kernel knows (a program's path, who listens) is looked up before and passed in as
`Facts`.
"""

from __future__ import annotations

from .address import OCTETS, canonical_host, format_ip, parse_ip, unpack
from .carriers import CARRIERS
from .interpreter import uncovering_option
from .process import Process
from .question import Malformed, Question, to_int
from .reach import is_own
from .request import Code, Request
from .url import Url, split

#: Ports that a scheme means when a URL names none.
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

#: The event of a question to a name server, and the digits of an IPv6 address's reverse name in its one spelling.
DNS_QUERY, NIBBLES = "dns.query", "0123456789abcdef"

#: What a trail line calls the records that a look-up of a name's addresses asks for.
ADDRESSES = "A/AAAA"

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Sequence

Line = dict[str, object]


class Facts:
    """What was looked up for one question.

    address:  of a destination.  names: those that this run was given it for.  own: a listener of this run's is there.
    path:     unix socket, library or file with its links followed.  resolved: the real path of a program.
    options:  what a Python that starts reads as its own options; None when the program is no Python.
    outer:    what the run around this one says against it; "" when nothing.
    barred:   why the kernel would not start this program, whatever the rules say; "" when it would.
    """

    __slots__ = ("address", "barred", "names", "options", "outer", "own", "path", "resolved")

    def __init__(
        self,
        address: tuple[int, int] | None = None,
        names: tuple[str, ...] = (),
        own: bool = False,
        path: str = "",
        resolved: str = "",
        options: Sequence[str] | None = None,
    ) -> None:
        self.address = address
        self.names = names
        self.own = own
        self.path = path
        self.resolved = resolved
        self.options = options
        self.outer = ""
        self.barred = ""


NO_FACTS = Facts()


class Context:
    """What the supervisor knows of the run: never what the guest says."""

    __slots__ = ("session", "tags", "user")

    def __init__(self, user: str = "", session: str = "", tags: dict[str, str] | None = None) -> None:
        self.user = user
        self.session = session
        self.tags = tags or {}


def request_of(question: Question, process: Process, context: Context, facts: Facts) -> Request:
    """Returns the request in an `ask`. Raises Malformed."""
    request = BUILDERS[question.fields[0]](question, facts)
    request.event = question.fields[1]
    request.native = "hook" not in question.layers
    return ascribed(request, question, process, context)


def ascribed(request: Request, question: Question, process: Process, context: Context) -> Request:
    """The request with who asked filled in."""
    request.code = question.code
    request.user = process.user
    request.process = process.exe
    request.tags = context.tags
    return request


def _destination(question: Question, facts: Facts) -> Request:
    kind, _, proto, host, port = question.fields[:5]
    if host and facts.address is None:
        raise Malformed("a host that is no address")
    number = to_int(port, 0, 65_535) if port else None
    return Request(
        kind, address=facts.address, port=number, proto=proto, path=facts.path, own=facts.own, names=facts.names
    )


def _dns(question: Question, facts: Facts) -> Request:
    return dns_request(question.fields[3])


def dns_request(name: str, event: str = "") -> Request:
    """A name, or an address whose name is asked for."""
    host, address = host_of(name)
    return Request("dns", event, host=host, address=address)


def query_request(name: str, kind: str) -> Request:
    """A name in a packet to a name server, in the one text that it has; below the two domains of addresses, the address
    whose name is asked for. Other kinds of records than addresses come without any: a grant by those is none."""
    address = reversed_address(name)
    return Request("dns", DNS_QUERY, host="" if address else name, address=address, alone=kind != ADDRESSES)


def reversed_address(name: str) -> tuple[int, int] | None:
    """The address that a name is the reverse name of (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    labels = name.split(".")[::-1]
    if labels[:2] == ["arpa", "in-addr"] and len(labels) == 6 and all([label in OCTETS for label in labels[2:]]):
        return parse_ip(".".join(labels[2:]))
    nibbles = "".join(labels[2:])
    if labels[:2] == ["arpa", "ip6"] and len(labels) == 34 and len(nibbles) == 32 and not nibbles.strip(NIBBLES):
        return unpack(int(nibbles, 16))
    return None


def host_of(name: str) -> tuple[str, tuple[int, int] | None]:
    """A host as rules compare it: (name in its one form, None), ("", address), or the text itself where it is neither.

    Full-width digits and dots are an address too, as every look-up function that takes `str` reads them.
    """
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return name.lower(), None
    address = parse_ip(name)
    if address is not None:
        return "", address
    return canonical_host(name) or name.lower(), None


def _http(question: Question, facts: Facts) -> Request:
    if question.fields[4]:
        to_int(question.fields[4])  # the body's size: read again when there is a line
    host, port = endpoint_of(question)
    name, address = host_of(host)
    return Request("http", host=name, address=address, port=port, proto="tcp", own=facts.own, names=facts.names)


def endpoint_of(question: Question) -> tuple[str, int | None]:
    """Host and port that the URL of an http question leads to; "" and None where it names none. Raises Malformed."""
    parts = url_of(question)
    return parts.host, parts.port or PORTS.get(parts.scheme)


def url_of(question: Question) -> Url:
    """The URL of an http question. Raises Malformed."""
    try:
        return split(question.fields[5])
    except ValueError:
        raise Malformed("a URL that cannot be read") from None


def _exec(question: Question, facts: Facts) -> Request:
    carried = question.fields[5].split()
    if any([name not in CARRIERS for name in carried]):
        raise Malformed("a variable that nobody knows")
    program = question.fields[6]
    if "/../" in program:  # it lies where it leads to: `/usr/bin/*` does not mean `/usr/bin/../../tmp/x`
        program = facts.resolved or program
    return Request(
        "exec", program=program, resolved=facts.resolved, argv=question.argv,
        python=facts.options is not None, uncovered=", ".join(uncovered(question, facts)),
    )  # fmt: skip


def uncovered(question: Question, facts: Facts) -> list[str]:
    """Why what starts will not be guarded, or brings code of its own before the guard."""
    found = uncovering_option(facts.options) if facts.options is not None else ""
    return [*([found] if found else []), *question.fields[5].split()]


def _path(question: Question, facts: Facts) -> Request:
    return Request(question.fields[0], path=facts.path)


def _audit(question: Question, facts: Facts) -> Request:
    return Request("audit")


BUILDERS = {
    "connect": _destination,
    "listen": _destination,
    "dns": _dns,
    "http": _http,
    "exec": _exec,
    "native": _path,
    "file": _path,
    "audit": _audit,
}


# What a line says of it, made only when there is a line.


def describe(question: Question, request: Request) -> Line:
    """Returns the objects of a request's own kind in its trail line."""
    return DESCRIBERS[request.kind](question, request)


def _describe_destination(question: Question, request: Request) -> Line:
    dst: Line = {}
    if request.names:
        # The newest name is the one that led here; the others are behind the same address.
        dst["host"] = request.names[-1]
    if request.address is not None:
        dst["ip"] = format_ip(request.address)
        dst["port"] = request.port
    dst["proto"] = request.proto
    if request.path:
        dst["path"] = request.path
    if request.names:
        dst["asked"] = f"{request.names[-1]}:{request.port}"
        dst["name_from"] = "lookup"
    if is_own(request):
        dst["own"] = True
    return {"dst": dst}


def describe_name(function: str, request: Request) -> Line:
    """A look-up by a function, or a query for a type: the name, and what is asked of the name service about it."""
    name = request.host or (format_ip(request.address) if request.address is not None else "")
    return {"dst": {"host": name}, "dns": {"name": name, "type": record_type(function, request)}}


def record_type(function: str, request: Request) -> str:
    """What is asked of the name service. Of a query, it is the query's own word."""
    return function if request.event == DNS_QUERY else RECORD_TYPES.get(function, ADDRESSES)


def _describe_dns(question: Question, request: Request) -> Line:
    return describe_name(request.event.rpartition(".")[2], request)


def _describe_http(question: Question, request: Request) -> Line:
    size, method = question.fields[4], question.fields[6]
    parts = url_of(question)
    dst: Line = {"host": request.host} if request.host else {}
    if request.address is not None:
        dst["ip"] = format_ip(request.address)
    dst["port"] = request.port
    if request.own:
        dst["own"] = True
    http: Line = {"scheme": parts.scheme, "method": method, "host": parts.host, "path": parts.path or "/"}
    names = [part.partition("=")[0] for part in parts.query.split("&") if part]
    if names:
        http["query"] = names[:64]
    if size:
        http["body_bytes"] = to_int(size)
    return {"dst": dst, "http": http}


def _describe_exec(question: Question, request: Request) -> Line:
    line: Line = {"program": request.program, "argv": list(request.argv)}
    if request.resolved and request.resolved != request.program:
        line["path"] = request.resolved
    line["shim"] = f"off: {request.uncovered or 'not Python'}" if request.uncovered or not request.python else "on"
    return {"exec": line}


def _describe_native(question: Question, request: Request) -> Line:
    return {"native": {"path": request.path} if request.path else {"symbol": question.fields[6]}}


def _describe_file(question: Question, request: Request) -> Line:
    return {"file": {"path": request.path}}


def _describe_audit(question: Question, request: Request) -> Line:
    return {"audit": {"args": list(question.argv)}} if question.argv else {}


DESCRIBERS = {
    "connect": _describe_destination,
    "listen": _describe_destination,
    "dns": _describe_dns,
    "http": _describe_http,
    "exec": _describe_exec,
    "native": _describe_native,
    "file": _describe_file,
    "audit": _describe_audit,
}

#: What stands there instead when it could not be read: a line of its kind still says that it is about something.
UNREAD: dict[str, Line] = {
    "connect": {"dst": {"asked": "?"}},
    "listen": {"dst": {"asked": "?"}},
    "dns": {"dns": {"name": "?"}},
    "http": {"dst": {"asked": "?"}, "http": {}},
    "exec": {"exec": {"program": "?"}},
    "native": {"native": {"path": "?"}},
    "file": {"file": {"path": "?"}},
}

#: What a look-up function asks the name service for; the others ask for addresses of both versions.
RECORD_TYPES = {
    "gethostbyname": "A",
    "gethostbyname_ex": "A",
    "gethostbyaddr": "PTR",
    "getnameinfo": "PTR",
}


#: What is found in an act that the kernel saw and no witness announced: of a program that reports what it does, and of
#: any other, for which it is nothing out of the ordinary.
UNANNOUNCED: Line = {
    "id": "native",
    "severity": "medium",
    "why": "a program that reports what it does did not announce this: native code, or code that evades the guard",
}
FOREIGN: Line = {"id": "native", "severity": "info", "why": "another program, which announces nothing"}


def findings_of(request: Request, process: Process, library: str) -> list[Line]:
    """What is found in a request before any detector has looked at it. library: which made it, as far as is known."""
    if not request.native:
        return []
    found = UNANNOUNCED if process.guarded else FOREIGN
    if not library or library == process.exe:
        return [found]
    name = library[library.rfind("/") + 1 :]
    return [{**found, "why": f"{found['why']}; its stack says that {name} made the call"}]


def code_line(code: Code) -> Line:
    """The `code` object of a trail line."""
    found: Line = {"file": code.file, "line": code.line} if code.file else {}
    for key in ("func", "module", "package", "via"):
        value = getattr(code, key)
        if value:
            found[key] = value
    return found
