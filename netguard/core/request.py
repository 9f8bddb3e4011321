"""One thing the guest wants to do, as plain values that are already checked.

A request never holds an object of the guest's: every string is an exact `str`, every address is
canonical. Whoever builds one (the session, a policy's test line) parses first; `decide` only compares.
"""

from __future__ import annotations

#: Every kind a rule may name (RULES "Kinds and events"); `audit` stands beside them and is never part of `any`.
KINDS = ("dns", "connect", "http", "listen", "exec", "native", "file")

#: An address in one canonical form: (4 or 6, the integer). IPv4 inside IPv6 is already unpacked.
Address = "tuple[int, int]"


class Code:
    """Where in the guest's code a request came from. Said by the guest: context, never a right."""

    __slots__ = ("file", "func", "line", "module", "package", "via")

    def __init__(
        self, file: str = "", line: int = 0, func: str = "", module: str = "", package: str = "", via: str = ""
    ) -> None:
        self.file = file
        self.line = line
        self.func = func
        self.module = module
        self.package = package
        self.via = via


NO_CODE = Code()


class Request:
    """What `decide` sees.

    kind:     one of KINDS, or "audit" with the event's own name in `event`.
    event:    the PEP 578 event that showed it.
    host:     canonical name (lower case, ASCII, no trailing dot), "" when none is known.
    names:    connect: names this run was given `address` for; each is judged (RULES, leases).
    address:  (version, integer) or None while it is not known (dns before its answers).
    alone:    dns: the name is all there will ever be; what is asked for has no addresses.
    port:     0-65535, or None where a port has no meaning (dns, unix).
    proto:    "tcp", "udp", "unix", or another family's own name such as "packet"; "" where none applies.
    path:     unix socket ("/path" or "@abstract"), file path, or native library path.
    program:  exec: the program as given; `resolved` the path that would run, "" if not found.
    argv:     exec: the arguments, the program's own name first.
    python:   exec: what starts is a Python, by its name or its script's first line.
    uncovered: exec: why what starts will not be guarded, or brings code of its own before the guard: "-I",
              "LD_PRELOAD"; "" otherwise, also for a program that is no Python.
    own:      the destination is a socket this run itself listens on, as the kernel says.
    native:   connect, listen: the kernel saw it and no witness had announced it; never true where there is no wall.
    library:  of a native one: the path of the library, or else the program, whose code made the call. As far as the
              guest's own stack and memory say; "" for what is not native, and where no rule asks for it.
    user, tags, process: what the supervisor knows; never what the guest says.
    """

    __slots__ = (
        "address", "alone", "argv", "code", "event", "host", "kind", "library", "names", "native", "own", "path",
        "port", "process", "program", "proto", "python", "resolved", "tags", "uncovered", "user",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        event: str = "",
        *,
        host: str = "",
        names: tuple[str, ...] = (),
        address: tuple[int, int] | None = None,
        alone: bool = False,
        port: int | None = None,
        proto: str = "",
        path: str = "",
        program: str = "",
        resolved: str = "",
        argv: tuple[str, ...] = (),
        python: bool = False,
        uncovered: str = "",
        own: bool = False,
        native: bool = False,
        library: str = "",
        code: Code = NO_CODE,
        user: str = "",
        tags: dict[str, str] | None = None,
        process: str = "",
    ) -> None:
        self.kind = kind
        self.event = event
        self.host = host
        self.names = names
        self.address = address
        self.alone = alone
        self.port = port
        self.proto = proto
        self.path = path
        self.program = program
        self.resolved = resolved
        self.argv = argv
        self.python = python
        self.uncovered = uncovered
        self.own = own
        self.native = native
        self.library = library
        self.code = code
        self.user = user
        self.tags = tags if tags is not None else {}
        self.process = process
