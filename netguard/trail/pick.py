"""One line of a trail, found among millions, with the lines that say what came of it. Total: any bytes.

The file is read once, line by line; only lines that can be meant are parsed, and a bounded number of them is kept.
"""

from __future__ import annotations

from netguard.errors import TrailError
from netguard.record.keys import VERSION
from netguard.trail.encoder import parse
from netguard.trail.verify import key_of, lines_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Words for a line instead of its number, and what every such line has in it: a cheap first look at each.
WORDS = {"last": (b'"verdict":',), "last-denied": (b'"verdict":"deny"', b'"would":"deny"')}

#: Lines of one number that are kept, where a file has many chains, and later lines of all of them. Each may have 64 KB.
MOST, LATER = 64, 64


class Found:
    """A line that is meant, and the later lines about it, each as a record and as it stands in the file.

    beyond: more later lines, which are not kept.
    twins:  more lines that say they are this one, of which at most one is true.
    """

    __slots__ = ("beyond", "later", "raw", "record", "twins")

    def __init__(self, record: dict[str, Any], raw: bytes) -> None:
        self.record = record
        self.raw = raw
        self.later: list[tuple[dict[str, Any], bytes]] = []
        self.beyond = 0
        self.twins = 0


class Pick:
    """What is looked for, and what was found of it so far.

    wanted:     a line's number, or one of WORDS.
    run:        what its run's name must begin with; "" for any.
    chain:      its chain's name, or the number of the chain's process; "" for any.
    found:      by (run, chain); for a word, only the newest line.
    more:       how many there are beyond those that are kept.
    """

    def __init__(self, wanted: int | str, run: str = "", chain: str = "") -> None:
        self.wanted = wanted
        self.run = run
        self.chain = chain
        self.found: dict[tuple[str, str], Found] = {}
        self.more = 0
        self.kept = 0  # later lines
        self.numbered = isinstance(wanted, int)
        self.signs = (b'"seq":%d,' % wanted,) if isinstance(wanted, int) else WORDS[wanted]
        self.about = about(wanted) if isinstance(wanted, int) else ()

    def take(self, raw: bytes) -> None:
        """One line with its line feed. What is none is passed over: `netguard verify` speaks of it."""
        for sign in self.signs:
            if sign in raw:
                self.consider(raw)
                return
        for sign in self.about:
            if sign in raw:
                self.consider(raw)
                return

    def consider(self, raw: bytes) -> None:
        """A line that may be the one, or about it."""
        record = parse(raw.rstrip(b"\n"))
        seq = record.get("seq") if record is not None else None
        if record is None or type(seq) is not int:
            return
        key = key_of(record)
        found = self.found.get(key)
        if not self.is_wanted(record, *key):
            if found is not None and record.get("of") == found.record["seq"]:
                self.add(found, record, raw)
            return
        version = record.get("v")
        if type(version) is int and version > VERSION:
            raise TrailError(f"a line of version {version}: this netguard reads version {VERSION}; use a newer one")
        if not self.numbered:
            self.found, self.kept = {key: Found(record, raw)}, 0
            self.about = about(seq)
        elif found is not None:
            found.twins += 1
        elif len(self.found) < MOST:
            self.found[key] = Found(record, raw)
        else:
            self.more += 1

    def add(self, found: Found, record: dict[str, Any], raw: bytes) -> None:
        """A later line about one that was found."""
        if self.kept < LATER:
            self.kept += 1
            found.later.append((record, raw))
        else:
            found.beyond += 1

    def is_wanted(self, record: dict[str, Any], run: str, chain: str) -> bool:
        """Whether this is one of the lines that are looked for."""
        if not run.startswith(self.run) or (self.chain and self.chain not in (chain, chain.partition("-")[0])):
            return False
        if self.numbered:
            return bool(record["seq"] == self.wanted)
        denied = record.get("verdict") == "deny" or record.get("would") == "deny"
        return denied or (self.wanted == "last" and "verdict" in record)


def about(seq: int) -> tuple[bytes, ...]:
    """What every line has in it that adds to this one."""
    return b'"of":%d,' % seq, b'"of":%d}' % seq


def pick(path: str | int, wanted: int | str, run: str = "", chain: str = "") -> Pick:
    """Looks through a trail.

    path: the file, or a descriptor. Raises TrailError if it cannot be read, or is of a later version.
    """
    picked = Pick(wanted, run, chain)
    try:
        for raw in lines_of(path):
            picked.take(raw)
    except OSError as error:
        name = "on standard input" if path == 0 else path
        raise TrailError(f"cannot read the trail {name}: {error.strerror}") from error
    return picked
