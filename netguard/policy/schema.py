"""Every key and word a rule file may use, once: errors, the JSON Schema and `docs/reference/policy.md` come from here.

A key that this version does not build stands in the table with the reason, so that it is refused by name: a rule
that silently asked less than its author wrote would let through what they meant to stop.
"""

from __future__ import annotations

from netguard.core.request import KINDS

VERSION = 1
VERDICTS = ("allow", "log", "deny")
ALL = KINDS  # a facet that asks about who does it applies to every kind, and to `audit:NAME` too

NEEDS_HTTP = "needs the HTTP view, which this version does not have"
NEEDS_DETECTORS = "needs the detectors, which this version does not have"

#: How large a policy may be. A rule file is written by hand or by a small program: 10,000 rules take about 1 MiB, and
#: 4 MiB are still read within seconds. Feeds of a million names exist and take about 25 MiB. Beyond these numbers a
#: file is a mistake or an attempt to keep the supervisor busy, and a run must not start slowly because of either.
MAX_FILE = 4 << 20
MAX_LIST_FILE = 64 << 20
MAX_RULES = 100_000
MAX_ENTRIES = 1_000_000
MAX_FILES = 64
MAX_TESTS = 10_000
MAX_DEPTH = 16  # the deepest thing a rule file can mean has 5 levels
MAX_TEXT = 4_096  # longer than any path Linux takes
MAX_NAME = 100  # a rule's name is printed on one terminal line, beside a destination
MAX_WITHOUT_TO = 256  # these are tried one by one for every request; the others are found by index


class Key:
    """One key of a rule file.

    shape:   what its value must look like, in the words that errors and documentation use.
    meaning: one sentence for the documentation.
    kinds:   the kinds it applies to, if it is a facet of a rule; () if it asks nothing of a request.
    refused: why this version refuses it, or "".
    """

    __slots__ = ("kinds", "meaning", "name", "refused", "shape")

    def __init__(self, name: str, shape: str, meaning: str, kinds: tuple[str, ...] = (), refused: str = "") -> None:
        self.name = name
        self.shape = shape
        self.meaning = meaning
        self.kinds = kinds
        self.refused = refused


def table(*keys: Key) -> dict[str, Key]:
    """The keys by name, in the order they are documented."""
    return {key.name: key for key in keys}


DESTINED = ("dns", "connect", "http", "listen")
KINDS_SHAPE = "a kind, a list of kinds, any, or audit:NAME"

FILE_KEYS = table(
    Key("$schema", "text", "For editors: where the schema is, as `netguard schema --line` says. Nothing is read."),
    Key("version", "a number", "The version of this language; 1. A higher one is refused."),
    Key("default", "allow, log or deny", "What happens when no rule matches. Without it: deny."),
    Key(
        "include",
        "text or a list of texts",
        "Packs (`netguard:NAME`) or files, relative to this one, whose rules come before this file's own. "
        "A file that is reached twice is taken once, where it was reached first. Its `default` is not taken over.",
    ),
    Key("lists", "a mapping", "Named destinations, used as `@NAME` in this file and in those that include it."),
    Key("rules", "a list of rules", "Tried from the top; the first that matches wins."),
    Key("tests", "a list of tests", "What this file, with its includes and its own default, must decide."),
)

RULE_KEYS = table(
    Key("allow", KINDS_SHAPE, "Lets it happen; only a count of it is recorded."),
    Key("log", KINDS_SHAPE, "Lets it happen, after a line about it is on record."),
    Key("deny", KINDS_SHAPE, "Does not let it happen, and records that it was asked for."),
    Key("ask", KINDS_SHAPE, "Reserved.", refused="is reserved for a later version, in which a person will be asked"),
    Key("name", "text", f"What the rule is called, at most {MAX_NAME} characters. Without it: `file:line`."),
    Key("because", "text", "Why, for those who meet the rule; shown with a denial."),
    Key("to", "a destination or a list of them", "Any of these destinations. Without it: every destination.", DESTINED),
    Key(
        "private",
        "true or false",
        "A name in `to` grants loopback, private, link-local and metadata addresses too. Without it a name grants none "
        "of them, so that whoever owns the name cannot point it into your network. `localhost` is itself.",
        DESTINED,
    ),
    Key("proto", "tcp, udp or unix, or a list of them", "The transport.", ("connect",)),
    Key("direct", "true or false", "The address was never looked up in this run.", ("connect",)),
    Key(
        "native",
        "true, false or a mapping",
        "true: no witness in the program announced it, as of native code and other programs; false: one did. A mapping "
        "asks which library made it. Without a wall nothing is native.",
        ("connect", "listen"),
    ),
    Key(
        "program",
        "text or a list of texts",
        "Programs, `*` standing for anything. Without a slash: the base name of the path as given or as resolved. "
        "A list of all that may start [holds](#programs) behind the wall; one name by itself is advisory.",
        ("exec",),
    ),
    Key(
        "unguarded",
        "true or false",
        "The named programs may also start where the guard does not cover them: a Python that is told to ignore it "
        "(`-I`, `-E`, `-S`), or any program with code brought along in its environment (`LD_PRELOAD`).",
        ("exec",),
    ),
    Key("args", "text or a list of texts", "The arguments joined by spaces, `*` standing for anything.", ("exec",)),
    Key("from", "a mapping", "The code that asks, as the guest itself says.", ALL),
    Key("user", "text or a list of texts", "The user that the asking process runs as.", ALL),
    Key("tags", "a mapping", "Tags that the run was started with; tags that the guest claims never match.", ALL),
    Key("process", "text or a list of texts", "The program that the asking process runs.", ALL),
    Key("limit", "a mapping or a list of them", "How often the rule may let something through; not for deny rules."),
    Key("method", "text or a list of texts", "The request's method.", ("http",), NEEDS_HTTP),
    Key("path", "text or a list of texts", "The request's path.", ("http",), NEEDS_HTTP),
    Key("header", "a mapping", "The request's headers.", ("http",), NEEDS_HTTP),
    Key("url", "text or a list of texts", "The whole URL.", ("http",), NEEDS_HTTP),
    Key("body", "a mapping", "The request's body.", ("http",), NEEDS_HTTP),
    Key("finding", "text or a list of texts", "What a detector found.", ALL, NEEDS_DETECTORS),
)

FROM_KEYS = table(
    Key("package", "text", "The distribution package, `*` standing for anything."),
    Key("module", "text", "The module."),
    Key("file", "text", "The source file."),
    Key("function", "text", "The function."),
)

NATIVE_KEYS = table(
    Key(
        "library",
        "text or a list of texts",
        "The library whose code made the call, or the program itself, `*` standing for anything. Without a slash: the "
        "base name of its path.",
    ),
)

LIMIT_KEYS = table(
    Key("connections", "a rate such as 60/min", "Connections."),
    Key("lookups", "a rate such as 60/min", "Names looked up."),
    Key("per", "one of the words below", "What is counted apart. Without it: the run."),
    Key("over", "deny, log or delay", "What happens to the one too many. Without it: deny."),
    Key("burst", "a number", "How many may come at once. Without it: the whole amount of the rate."),
    Key("requests", "a rate such as 60/min", "HTTP requests.", refused=NEEDS_HTTP),
    Key("bytes", "a rate such as 5MB/h", "Bytes sent.", refused=NEEDS_HTTP),
)

LIST_KEYS = table(
    Key("file", "text", "The file's path, relative to the rule file."),
    Key("format", "hosts, domains or cidr", "How the file is to be read."),
)

TEST_KEYS = table(
    Key("expect", "allow, log or deny", "What must be decided."),
    Key("request", "text", "A request, in the words of `netguard explain`."),
)

#: What a limit counts, and the kind of which each counts the acts.
COUNTERS = {"connections": "connect", "lookups": "dns"}
PER = ("run", "process", "user", "session", "destination", "origin")  # and tag:NAME
PER_REFUSED = {"domain": "needs the list of registrable domains, which this version does not have; say destination"}
OVER = ("deny", "log", "delay")
#: Seconds of each unit of a rate; the run's own has no window.
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0, "run": 0.0}
PROTOS = ("tcp", "udp", "unix")
FORMATS = {
    "hosts": "`ADDRESS NAME…` as in /etc/hosts: each name exactly; the machine's own names are skipped.",
    "domains": "One name a line (`*.` before it changes nothing): the name and everything below it.",
    "cidr": "One network or address a line.",
}

BUILTIN = {
    "loopback": "this machine: 127.0.0.0/8, ::1, and 0.0.0.0/8 and ::, which reach it too",
    "private": "networks that the Internet does not route",
    "linklocal": "this link only: 169.254.0.0/16, fe80::/10",
    "metadata": "where clouds hand out instance credentials, by address and by name",
    "multicast": "many at once: 224.0.0.0/4, ff00::/8",
    "public": "every address that is in none of the special ranges",
    "self": "what this run itself listens on",
}

#: Names that clouds give their metadata services; their addresses are `core.address.RANGES["metadata"]`.
METADATA_NAMES = (
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "instance-data.ec2.internal",
)

#: PEP 578 event names that mean a kind (RULES, "Kinds and events").
ALIASES = {
    "socket.getaddrinfo": "dns",
    "socket.gethostbyname": "dns",
    "socket.gethostbyaddr": "dns",
    "socket.getnameinfo": "dns",
    "socket.connect": "connect",
    "socket.sendto": "connect",
    "socket.sendmsg": "connect",
    "ftplib.connect": "connect",
    "smtplib.connect": "connect",
    "imaplib.open": "connect",
    "poplib.connect": "connect",
    "http.client.connect": "connect",
    "urllib.Request": "http",
    "http.client.send": "http",
    "socket.bind": "listen",
    "subprocess.Popen": "exec",
    "os.system": "exec",
    "os.exec": "exec",
    "os.posix_spawn": "exec",
    "os.spawn": "exec",
    "pty.spawn": "exec",
    "webbrowser.open": "exec",
    "ctypes.dlopen": "native",
    "ctypes.dlsym": "native",
    "ctypes.dlsym/handle": "native",
    "ctypes.call_function": "native",
    "sqlite3.load_extension": "native",
    "_posixsubprocess.fork_exec": "exec",
}

#: Events of which only a part is an act, under the kind's name: `deny: open` would read as if it closed every file.
PARTLY = {
    "open": "only credential files are watched; write the kind file",
    "import": "only foreign native code is watched; write the kind native",
}

KIND_MEANINGS = {
    "dns": "a name asked for",
    "connect": "reaching a destination: TCP connect, each UDP destination, a unix socket",
    "http": "one request on a connection",
    "listen": "bind or listen for others",
    "exec": "starting a program",
    "native": "native code loaded or called by hand: ctypes, foreign extensions",
    "file": "a credential file opened",
}
