"""From a guest's question to the request that is decided and the objects that its trail line carries.

Pure: what the file system or the kernel knows (a program's path, who listens) is looked up before and passed in as `Facts`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from netguard.core.address import canonical_host, format_ip, parse_ip
from netguard.core.request import Code, Request
from netguard.supervisor.processes import Process
from netguard.supervisor.question import Malformed, Question, to_int

#: Ports that a scheme means when a URL names none.
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

Line = dict[str, object]


class Facts:
    """What was looked up for one question.

    resolved: exec: the real path of what would run.  path: unix socket, library or file with its links followed.
    own:      the destination is a listener of this run's.  names: the names that the address was given for.
    """

    __slots__ = ("names", "own", "path", "resolved")

    def __init__(self, resolved: str = "", path: str = "", own: bool = False, names: tuple[str, ...] = ()) -> None:
        self.resolved = resolved
        self.path = path
        self.own = own
        self.names = names


NO_FACTS = Facts()


class Context:
    """What the supervisor knows of the run: never what the guest says."""

    __slots__ = ("session", "tags", "user")

    def __init__(self, user: str = "", session: str = "", tags: dict[str, str] | None = None) -> None:
        self.user = user
        self.session = session
        self.tags = tags or {}


def address_of(question: Question) -> tuple[int, int] | None:
    """The address in a question's host field; None for none. Raises Malformed when it holds anything else."""
    host = question.fields[3]
    if not host:
        return None
    address = parse_ip(host)
    if address is None:
        raise Malformed("a host that is no address")
    return address


def build(question: Question, process: Process, context: Context, facts: Facts) -> tuple[Request, Line]:
    """Returns the request and the destination objects of its line. Raises Malformed."""
    request, line = BUILDERS[question.fields[0]](question, facts)
    request.event = question.fields[1]
    request.code = question.code
    request.user = process.user
    request.process = process.exe
    request.tags = context.tags
    return request, line


def _destination(question: Question, facts: Facts) -> tuple[Request, Line]:
    kind, _, proto, _, port, _, _ = question.fields[:7]
    address = address_of(question)
    number = to_int(port, 65_535) if port else None
    request = Request(
        kind, address=address, port=number, proto=proto, path=facts.path, own=facts.own, names=facts.names
    )
    dst: Line = {}
    if facts.names:
        # The newest name is the one that led here; the others are behind the same address.
        dst["host"] = facts.names[-1]
    if address is not None:
        dst["ip"] = format_ip(address)
        dst["port"] = number
    dst["proto"] = proto
    if facts.path:
        dst["path"] = facts.path
    if facts.names:
        dst["asked"] = f"{facts.names[-1]}:{number}"
        dst["name_from"] = "lookup"
    return request, {"dst": dst}


def _dns(question: Question, facts: Facts) -> tuple[Request, Line]:
    host = question.fields[3]
    return dns_request(host, "PTR" if parse_ip(host) is not None else "A/AAAA")


def dns_request(host: str, record_type: str) -> tuple[Request, Line]:
    """A name, or an address whose name is asked for."""
    line: Line = {"dst": {"host": host}, "dns": {"name": host, "type": record_type}}
    address = parse_ip(host)
    if address is not None:
        return Request("dns", address=address), line
    return Request("dns", host=canonical_host(host) or host.lower()), line


def _http(question: Question, facts: Facts) -> tuple[Request, Line]:
    size, url, method = question.fields[4:7]
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme.lower())
        host = parts.hostname or ""
    except ValueError:
        raise Malformed("a URL that cannot be read") from None
    address = parse_ip(host)
    name = "" if address is not None else canonical_host(host) or host.lower()
    dst: Line = {"host": name} if name else {}
    if address is not None:
        dst["ip"] = format_ip(address)
    dst["port"] = port
    query = [part.partition("=")[0] for part in parts.query.split("&") if part]
    http: Line = {"scheme": parts.scheme, "method": method, "host": host, "path": parts.path or "/"}
    if query:
        http["query"] = query[:64]
    if size:
        http["body_bytes"] = to_int(size)
    request = Request("http", host=name, address=address, port=port, proto="tcp", own=facts.own)
    return request, {"dst": dst, "http": http}


def _exec(question: Question, facts: Facts) -> tuple[Request, Line]:
    program = question.fields[6]
    request = Request("exec", program=program, resolved=facts.resolved, argv=question.argv)
    line: Line = {"program": program, "argv": list(question.argv)}
    if facts.resolved and facts.resolved != program:
        line["path"] = facts.resolved
    return request, {"exec": line}


def _native(question: Question, facts: Facts) -> tuple[Request, Line]:
    path, symbol = facts.path, question.fields[6]
    return Request("native", path=path), {"native": {"path": path} if path else {"symbol": symbol}}


def _file(question: Question, facts: Facts) -> tuple[Request, Line]:
    return Request("file", path=facts.path), {"file": {"path": facts.path}}


def _audit(question: Question, facts: Facts) -> tuple[Request, Line]:
    return Request("audit"), {"audit": {"args": list(question.argv)}} if question.argv else {}


BUILDERS = {
    "connect": _destination,
    "listen": _destination,
    "dns": _dns,
    "http": _http,
    "exec": _exec,
    "native": _native,
    "file": _file,
    "audit": _audit,
}


def code_line(code: Code) -> Line:
    """The `code` object of a trail line."""
    found: Line = {"file": code.file, "line": code.line}
    for key in ("func", "module", "package", "via"):
        value = getattr(code, key)
        if value:
            found[key] = value
    return found
