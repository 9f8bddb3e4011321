"""The keys of a trail line, kind by kind: the contract that tools read, and the order in which keys are written.

`docs/reference/trail.md` explains each of them and is checked against these tables. A key is never renamed and never
changes its meaning within `v: 1`; new ones may appear, so readers skip what they do not know.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The version every line carries in `v`. Readers refuse a higher one and say so.
VERSION = 1

#: What `prev` of a chain's first line says: there is no line before it.
NO_LINE = "0" * 64

#: What the writer itself puts on every line, first and in this order. `chain` only where a run has several (injection).
STAMPED = ("v", "seq", "prev", "ts", "mono_ns", "run", "chain")

#: Everything else that may stand at the top of a line, in the order it is written.
KEYS = (
    "kind", "of", "event", "layers", "verdict", "would", "rule", "why",
    "dst", "dns", "http", "exec", "native", "file", "audit",
    "proc", "code", "tags", "claims", "findings",
    "netguard", "python", "platform", "mode", "wall", "tier", "held", "not_held", "static", "landlock", "execute",
    "hooks", "http_view", "trail", "policy", "default", "told", "command",
    "errno", "status", "ms", "ttfb_ms", "bytes_out", "bytes_in", "exit", "signal", "reason",
    "torn", "size", "root", "epoch", "lines", "decisions", "counts", "limits", "cut",
)  # fmt: skip

#: The keys inside each object.
OBJECTS: dict[str, tuple[str, ...]] = {
    "dst": ("host", "ip", "port", "proto", "path", "asked", "name_from", "own"),
    "dns": ("name", "type", "answers", "ms"),
    "http": ("scheme", "method", "host", "path", "query", "headers", "content_type", "body_bytes", "entropy"),
    "exec": ("program", "path", "argv", "cwd", "shim", "parents"),
    "native": ("path", "symbol"),
    "file": ("path", "mode"),
    "audit": ("args",),
    "proc": ("pid", "tid", "ppid", "uid", "user", "exe", "argv", "cwd"),
    "code": ("file", "line", "func", "module", "package", "via", "library"),
    "findings": ("id", "severity", "why", "attack"),
    "limits": ("rule", "limit", "key", "fill"),
}

#: What every decision has, and what it may have.
ACT = ("event", "layers", "verdict", "rule", "why")
AROUND = ("would", "dst", "proc", "code", "tags", "claims", "findings")

#: kind -> (keys it always has, keys it may have), besides STAMPED and `kind`.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dns": ((*ACT, "dns"), AROUND),
    "connect": (ACT, AROUND),
    "listen": (ACT, AROUND),
    "http": ((*ACT, "http"), AROUND),
    "exec": ((*ACT, "exec"), AROUND),
    "native": (ACT, ("native", *AROUND)),
    "file": ((*ACT, "file"), AROUND),
    "audit": (ACT, ("audit", *AROUND)),
    "coverage": (  # `event` is "run" on a chain's first line, "process" where a guarded interpreter reports
        ("event", "hooks"),
        ("netguard", "why", "tags", "python", "platform", "mode", "wall", "tier", "held", "not_held", "static",
         "landlock", "execute", "http_view", "trail", "policy", "default", "told", "command", "proc"),
    ),
    "result": (
        ("of",),
        ("event", "layers", "why", "errno", "status", "ms", "ttfb_ms", "bytes_out", "bytes_in", "exit", "signal",
         "reason", "dns", "dst", "proc"),
    ),
    "count": (("counts",), ("tags", "limits")),
    "alert": (("findings",), ("of", "why", *AROUND[:-1])),
    "tamper": (("event", "why"), ("layers", "torn", *AROUND)),
    "policy": (("policy",), ("why", "default")),
    "seal": (("size", "root"), ("epoch",)),
    "close": ((), ("why", "exit", "signal", "reason", "decisions", "lines", "counts")),
}  # fmt: skip

#: Strings under these keys are netguard's own words or numbers: the redactor leaves them as they are.
OWN = frozenset(STAMPED) | {"kind", "of", "event", "layers", "verdict", "would", "torn", "size", "root", "cut"}

#: Every key name above: none of them can be a guest's word for a secret.
NAMES = frozenset(STAMPED) | frozenset(KEYS) | frozenset(name for names in OBJECTS.values() for name in names)


def begins(record: Mapping[str, object]) -> bool:
    """Whether a record is the one that a chain begins with: the coverage of a run, not of one of its processes."""
    return record.get("kind") == "coverage" and record.get("event") != "process"
