"""The keys of a trail line, kind by kind: the contract that tools read, and the order in which keys are written.

`docs/reference/trail.md` explains each of them and is checked against these tables. A key is never renamed and never
changes its meaning within `v: 1`; new ones may appear, so readers skip what they do not know.
"""

from __future__ import annotations

#: The version every line carries in `v`. Readers refuse a higher one and say so.
VERSION = 1

#: What `prev` of a chain's first line says: there is no line before it.
NO_LINE = "0" * 64

#: What the writer itself puts on every line, first and in this order. `chain` only where a run has several (injection).
STAMPED = ("v", "seq", "prev", "ts", "mono_ns", "run", "chain")

#: Everything else that may stand at the top of a line, in the order it is written.
KEYS = (
    "kind", "of", "event", "layers", "verdict", "rule", "why",
    "dst", "dns", "http", "exec", "native", "file", "audit",
    "proc", "code", "tags", "claims", "findings",
    "netguard", "python", "platform", "mode", "wall", "hooks", "trail", "policy", "default", "told", "command",
    "n", "since_ns",
    "errno", "status", "ms", "ttfb_ms", "bytes_out", "bytes_in", "exit", "signal", "reason",
    "torn", "size", "root", "epoch", "lines", "counts", "cut",
)  # fmt: skip

#: The keys inside each object.
OBJECTS: dict[str, tuple[str, ...]] = {
    "dst": ("host", "ip", "port", "proto", "path", "asked", "name_from"),
    "dns": ("name", "type", "answers", "ms"),
    "http": ("scheme", "method", "host", "path", "query", "headers", "content_type", "body_bytes", "entropy"),
    "exec": ("program", "argv", "cwd", "shim"),
    "native": ("path", "symbol"),
    "file": ("path", "mode"),
    "audit": ("args",),
    "proc": ("pid", "tid", "ppid", "uid", "user", "exe", "argv", "cwd"),
    "code": ("file", "line", "func", "module", "package", "via"),
    "findings": ("id", "severity", "why", "attack"),
}

ACT = ("event", "layers", "verdict", "rule", "why")
CONTEXT = ("proc", "code", "tags", "claims", "findings")

#: kind -> (keys it always has, keys it may have), besides STAMPED and `kind`.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dns": (("verdict", "rule", "why", "dns"), ("event", "layers", *CONTEXT)),
    "connect": (("verdict", "rule", "why", "dst"), ("event", "layers", *CONTEXT)),
    "listen": (("verdict", "rule", "why", "dst"), ("event", "layers", *CONTEXT)),
    "http": (("verdict", "rule", "why", "http"), ("event", "layers", "dst", *CONTEXT)),
    "exec": (("verdict", "rule", "why", "exec"), ("event", "layers", *CONTEXT)),
    "native": (("verdict", "rule", "why", "native"), ("event", "layers", "dst", *CONTEXT)),
    "file": (("verdict", "rule", "why", "file"), ("event", "layers", *CONTEXT)),
    "audit": (("event", "verdict", "rule", "why"), ("layers", "audit", *CONTEXT)),
    "coverage": (
        ("netguard",),
        ("python", "platform", "mode", "wall", "hooks", "trail", "policy", "default", "told", "command", "why", "tags"),
    ),
    "result": (
        ("of",),
        ("errno", "status", "ms", "ttfb_ms", "bytes_out", "bytes_in", "exit", "signal", "reason", "dns", "dst", "why"),
    ),
    "count": (("rule", "verdict", "n"), ("since_ns", "tags")),
    "alert": (("findings",), ("of", "why", "dst", *CONTEXT[:-1])),
    "tamper": (("event", "why"), ("torn", "layers", *CONTEXT)),
    "policy": (("policy",), ("default", "why")),
    "seal": (("size", "root"), ("epoch",)),
    "close": ((), ("exit", "signal", "reason", "lines", "counts", "why")),
}

#: Strings under these keys are netguard's own words or numbers: the redactor leaves them as they are.
OWN = frozenset(STAMPED) | {"kind", "of", "event", "layers", "verdict", "torn", "n", "size", "root", "cut"}

#: Every key name above: none of them can be a guest's word for a secret.
NAMES = frozenset(STAMPED) | frozenset(KEYS) | frozenset(name for names in OBJECTS.values() for name in names)
