"""What a guest named, as it stands in a rule: checked to be of its form, to say exactly one thing, and quoted.

So that it can neither end its line, nor become a key, nor speak of more than it names.
"""

from __future__ import annotations

from netguard.policy.target import BadTarget, parse_target

#: What a pattern is made of, and what the trail writes in place of a byte that is no text, of a secret, of a cut.
INEXACT = ("*", "?", "\\ud", "[redacted", "…")


def is_exact(*texts: str) -> bool:
    """Does a rule with these texts speak of just what they name? A program called `*` would become a pattern that
    allows every program; what was redacted or cut names another thing."""
    return all(text.isprintable() and not any(sign in text for sign in INEXACT) for text in texts)


def is_destination(text: str) -> bool:
    """Will the loader take it as a destination? It refuses more than what is no name, such as `host.123`."""
    try:
        parse_target(text)
    except BadTarget:
        return False
    return True


def with_port(name: str, port: object) -> str:
    """`name:443`, `[2001:db8::1]:443`, or the name alone where there is no port."""
    if type(port) is not int or not 0 <= port <= 65535:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def quoted(text: str) -> str:
    """A YAML double-quoted scalar in ASCII: JSON's, but with one escape for each character past U+FFFF, because YAML
    would read JSON's two as two."""
    return '"' + "".join(PLAIN.get(char) or escape(char) for char in text) + '"'


PLAIN = {chr(code): chr(code) for code in range(0x20, 0x7F)} | {'"': '\\"', "\\": "\\\\"}


def escape(char: str) -> str:
    """One character as YAML 1.2 section 5.7 escapes it."""
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
