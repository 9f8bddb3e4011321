"""The one grammar of requests: a policy's `tests` and `netguard explain` are written in it.

    dns NAME [at ADDRESS]                      connect [tcp|udp] HOST:PORT [at ADDRESS]
    listen [tcp|udp] HOST:PORT                 connect unix:/path          listen unix:@name
    http [METHOD] URL [at ADDRESS]             exec [NAME=VALUE…] PROGRAM ARGUMENT…
    native PATH                                file PATH
    audit:EVENT

Before a program may stand variables that bring code along. `at` says which address the name has, where a rule asks for
it. Before all of it may stand in brackets what is known about who asks:
[user=ci process=/usr/bin/python3 tags.job=7 from.package=requests own native library=/usr/lib/libcurl.so.4].
"""

from __future__ import annotations

import os

from netguard.core.address import parse_host, parse_ip
from netguard.core.carriers import CARRIERS, brings
from netguard.core.interpreter import is_python, uncovering_option
from netguard.core.request import KINDS, Code, Request
from netguard.errors import PolicyError
from netguard.policy.node import TEXT, Node, Source, meant, wrong
from netguard.policy.schema import FROM_KEYS
from netguard.policy.target import BadTarget, ascii_name, split_ports

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
#: What else may be known of a request: that its destination is the run's own, that no witness announced it.
FLAGS = ("own", "native")
#: The kinds that can be native.
UNANNOUNCED = ("connect", "listen")
#: `from` facets as the fields of Code that hold them.
CODE_FIELDS = {"package": "package", "module": "module", "file": "file", "function": "func"}


def host_fields(host: str) -> dict[str, object]:
    """`address` or `host` of a request, from either's spelling."""
    found = parse_host(ascii_name(host))
    if found is None:
        raise BadTarget(f"'{host}' is neither a host name nor an address")
    return {"host": found} if isinstance(found, str) else {"address": found}


def known_address(words: list[str], fields: dict[str, object]) -> dict[str, object]:
    """The fields with the address that stands behind `at`, if it does; nothing else may be left."""
    if not words:
        return fields
    address = parse_ip(words[1]) if len(words) == 2 and words[0] == "at" else None
    if address is None or "address" in fields:
        raise BadTarget(f"'{' '.join(words)}' is not understood; behind a name may stand: at ADDRESS")
    return {**fields, "address": address}


def read_dns(words: list[str]) -> dict[str, object]:
    if not words:
        raise BadTarget("a name is missing: dns NAME")
    return known_address(words[1:], host_fields(words[0]))


def read_endpoint(words: list[str]) -> dict[str, object]:
    """`connect` and `listen`."""
    proto = words.pop(0) if words[:1] in (["tcp"], ["udp"]) else "tcp"
    if not words:
        raise BadTarget("a destination is missing: HOST:PORT")
    if words[0].startswith("unix:"):
        return known_address(words[1:], {"proto": "unix", "path": words[0][len("unix:") :]})
    host, port = split_ports(words[0])
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 0xFFFF):
        raise BadTarget(f"'{words[0]}' needs one port: HOST:PORT, with an IPv6 address in brackets")
    return known_address(words[1:], {"proto": proto, "port": int(port), **host_fields(host)})


def read_http(words: list[str]) -> dict[str, object]:
    if words and words[0].isalpha():
        words = words[1:]  # the method; no rule of this version asks for it
    scheme, found, rest = words[0].partition("://") if words else ("", "", "")
    if not found or scheme.lower() not in SCHEMES:
        raise BadTarget("a URL is missing: http METHOD https://HOST/PATH")
    authority = rest.replace("?", "/").replace("#", "/").partition("/")[0].rpartition("@")[2]
    host, port = split_ports(authority)
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 0xFFFF):
        raise BadTarget(f"'{port}' is no port")
    number = int(port) if port else SCHEMES[scheme.lower()]
    return known_address(words[1:], {"proto": "tcp", "port": number, **host_fields(host)})


def read_exec(words: list[str]) -> dict[str, object]:
    carried = []
    while words and "=" in words[0]:
        name, _, value = words[0].partition("=")
        if name not in CARRIERS:
            raise BadTarget(f"'{name}' brings no code along{meant(name, CARRIERS)}")
        carried += [name] if brings(name, value) else []
        words = words[1:]
    if not words:
        raise BadTarget("a program is missing: exec PROGRAM ARGUMENT…")
    path = words[0] if "/" in words[0] else ""
    python = is_python(words[0], "")
    uncovered = ", ".join([reason for reason in [uncovering_option(words[1:]) if python else "", *carried] if reason])
    return {"program": words[0], "resolved": path, "argv": tuple(words), "python": python, "uncovered": uncovered}


def read_path(words: list[str]) -> dict[str, object]:
    if len(words) != 1:
        raise BadTarget("one path is wanted; quote it if there are spaces in it")
    return {"path": os.path.expanduser(words[0])}


READERS = {
    "dns": read_dns,
    "connect": read_endpoint,
    "listen": read_endpoint,
    "http": read_http,
    "exec": read_exec,
    "native": read_path,
    "file": read_path,
}


def read_context(text: str) -> dict[str, object]:
    """What stands in the brackets before a request."""
    found: dict[str, object] = {}
    tags: dict[str, str] = {}
    code: dict[str, str] = {}
    for word in split_words(text):
        key, equals, value = word.partition("=")
        group, _, name = key.partition(".")
        if key in ("user", "process") and equals:
            found[key] = value
        elif word in FLAGS:
            found[word] = True
        elif key == "library" and value:
            found[key], found["native"] = value, True
        elif group == "tags" and name and equals:
            tags[name] = value
        elif group == "from" and name in FROM_KEYS and equals:
            code[CODE_FIELDS[name]] = value
        else:
            named = [f"from.{each}=…" for each in FROM_KEYS]
            known = (*FLAGS, "library=…", "user=…", "process=…", "tags.NAME=…", *named)
            raise BadTarget(f"'{word}' is not understood{meant(word, known)}")
    return {**found, "tags": tags, "code": Code(**code)}  # type: ignore[arg-type]  # `line` is none of the keys


def split_words(text: str) -> list[str]:
    """The words of a text; quotes hold one together as in a shell."""
    if "'" not in text and '"' not in text and "\\" not in text:
        return text.split()
    import shlex  # loads `re`; seldom needed

    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadTarget(str(error).lower()) from None


def read_request(text: str) -> Request:
    """The request that the text means. Raises BadTarget."""
    context: dict[str, object] = {}
    text = text.strip()
    if text.startswith("["):
        inside, closed, text = text[1:].partition("]")
        if not closed:
            raise BadTarget("the bracket is not closed")
        context = read_context(inside)
    words = split_words(text)
    kind = words[0] if words else ""
    if kind.startswith("audit:") and len(words) == 1 and len(kind) > 6:
        return Request("audit", kind[6:], **context)  # type: ignore[arg-type]  # read_context's keys are Request's
    if kind not in READERS:
        raise BadTarget(f"a request begins with its kind, not '{kind}'{meant(kind, (*KINDS, 'audit:EVENT'))}")
    if "native" in context and kind not in UNANNOUNCED:
        raise BadTarget(f"'native' is about {' and '.join(UNANNOUNCED)}, not about {kind}")
    return Request(kind, **READERS[kind](words[1:]), **context)  # type: ignore[arg-type]  # as the readers say


def parse_request(text: str) -> Request:
    """The request that the text means, as `netguard explain` takes it.

    Raises PolicyError that shows what is not understood.
    """
    try:
        return read_request(text)
    except BadTarget as error:
        node = Node(TEXT, text, Source("request", "", text), 1, 1, len(text))
        raise PolicyError(str(wrong(node, str(error)))) from None
