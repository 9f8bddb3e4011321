"""One record in full, as a person reads it: what was asked, what was decided and why, who asked, and what came of it.

Nothing that stands on the line is left out: each key is taken once, and what nobody took is shown at the end as it is.
So a key of a later version, or of a forger, shows too. A value is never cut, only the headline is: it is all said again
below. The guest's words never begin a line, so none of them can pass for one of ours.
"""

from __future__ import annotations

from netguard.record.keys import KEYS, KINDS, VERSION
from netguard.views.group import VERDICTS
from netguard.views.subject import ALARMS, NETWORK, SUBJECTS, full_text
from netguard.views.table import BOLD, DIM, OFF, RED
from netguard.views.text import columns_of, plain, wrap
from netguard.views.value import clock_text, counted, error_text, gap, joined, signal_text, text_of, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netguard.views.subject import Record

    #: A label and its value, raw; a label and what reads its values, one for each line, "" for none.
    Field = tuple[str, str]
    Reader = tuple[str, Callable[["Left"], list[str]]]

#: Columns of a label with the gap behind it, and the least of a terminal, as in the summary.
LABEL, LEAST = 11, 40
#: Keys that stand below everything else.
LAST = ("seq", "run", "chain", "prev")

#: What stands behind what only the guest says.
ITS_WORD = "the program's own word"
#: Where `name_from` says a destination's name comes from.
NAMED_BY = {"lookup": "named by its look-up", "sni": "named in the TLS greeting"}


def event_lines(record: Record, results: Sequence[Record], width: int, *, colour: bool, utf8: bool = True) -> list[str]:
    """One record in full. Total: on a forged record too.

    results: the later lines with `of` this one's number, `result` and `alert`.
    width:   columns of the terminal; under 40 is taken for 40.
    colour:  paint it.
    utf8:    False: stay with ASCII.
    Returns lines without line ends, none wider than the terminal.
    """
    page = Page(max(LEAST, width), colour, utf8)
    page.headline(record)
    left = Left(record)
    for key in said_by_headline(record):
        left.take(key)
    page.fields(read(left, ACT))
    page.fields([each for result in results for each in later(result, record)] or unended(record))
    page.fields([*read(left, AROUND), *left.rest(), *read(left, PLACE)])
    return page.lines


class Page:
    """Lines as they will stand on the screen; the only place here that knows of columns and colours."""

    def __init__(self, width: int, colour: bool, utf8: bool) -> None:
        self.width = width
        self.colour = colour
        self.utf8 = utf8
        self.lines: list[str] = []

    def paint(self, text: str, ink: str) -> str:
        """The text in a colour, if colours are wanted."""
        return f"{ink}{text}{OFF}" if self.colour and ink and text else text

    def headline(self, record: Record) -> None:
        """Verdict, kind and what it is about, on one line, and a blank one below."""
        word, ink = verdict_of(record)
        said = [plain(each, LABEL - 1, utf8=self.utf8) for each in (word, text_of(record.get("kind"))) if each]
        left = "  ".join(said)
        room = self.width - columns_of(left) - 2
        about = plain(about_of(record), room, tail=record.get("kind") in (*NETWORK, "dns", "file"), utf8=self.utf8)
        self.lines += [f"{self.paint(left, ink)}  {self.paint(about, BOLD)}".rstrip(" "), ""]

    def fields(self, fields: Sequence[Field]) -> None:
        """Labels with their values. What a value has no room for goes on below it; a label is not said twice."""
        before = ""
        for label, value in fields:
            shown = "" if label == before else label
            before = label
            for line in wrap(value, self.width - LABEL, utf8=self.utf8):
                self.lines.append(f"{self.paint(shown.ljust(LABEL), DIM)}{line}".rstrip(" "))
                shown = ""


class Left:
    """What of a record was not shown yet."""

    def __init__(self, record: Record) -> None:
        self.keys = {str(key): dict(value) if isinstance(value, dict) else value for key, value in record.items()}

    def take(self, key: str, inner: str = "") -> object:
        """The value at a key, or at a key of the object there; it counts as shown. None if there is none."""
        if not inner:
            return self.keys.pop(key, None)
        value = self.keys.get(key)
        return value.pop(inner, None) if isinstance(value, dict) else None

    def texts(self, key: str, *inner: str) -> list[str]:
        """The texts at several keys of one object, "" for each that is not there."""
        return [text_of(self.take(key, each)) for each in inner]

    def rest(self) -> list[Field]:
        """Whatever is left, our own keys by their names. An object of which all was shown is nothing."""
        found: list[Field] = []
        for key in [key for key in self.keys if key not in LAST]:
            value = self.keys.pop(key)
            if isinstance(value, dict) and key in KEYS:
                found += [(key, f"{name}: {text_of(inner)}") for name, inner in value.items()]
            else:
                found.append((key, text_of(value) or "none") if key in KEYS else ("also", f"{key}: {text_of(value)}"))
        return found


def read(left: Left, readers: tuple[Reader, ...]) -> list[Field]:
    """What the readers find, in their order."""
    return [(label, value) for label, reader in readers for value in reader(left) if value]


def unended(record: Record) -> list[Field]:
    """What is said where nothing came after an act."""
    let = is_act(record) and record.get("verdict") != "deny"
    return [("outcome", "no line says how it ended")] if let else []


def later(result: Record, record: Record) -> list[Field]:
    """What a later line adds to the record."""
    left = Left(result)
    for same in ("v", "of", "run", "chain", "prev", "ts"):
        left.take(same)
    kind, seq = text_of(left.take("kind")), text_of(left.take("seq"))
    parts = [*outcome(left), *findings(left), text_of(left.take("why"))]
    said = "; ".join([part for part in parts if part]) or "it ended"
    behind = joined(seq and f"line {seq}", gap(record, left.take("mono_ns")))
    label = "outcome" if kind == "result" else kind if kind in KINDS else "also"
    return [(label, f"{said} ({behind})" if behind else said), *left.rest()]


def verdict_of(record: Record) -> tuple[str, str]:
    """The verdict as people read it and its colour; "" for a line that decides nothing."""
    said = text_of(record.get("verdict"))
    word, ink, _ = VERDICTS.get((said, record.get("would") == "deny"), (said, "", 0))
    return word, RED if record.get("kind") in ALARMS else ink


def said_by_headline(record: Record) -> list[str]:
    """The keys of which nothing is left to say. What is none of our words is, for a headline may be cut."""
    kind, verdict = text_of(record.get("kind")), text_of(record.get("verdict"))
    found = ["v"] if record.get("v") == VERSION else []
    found += ["kind"] if kind in KINDS else []
    return [*found, "verdict", "would"] if (verdict, record.get("would") == "deny") in VERDICTS else found


def is_act(record: Record) -> bool:
    """Whether it is something that the guest did, and no line of the trail's own."""
    return text_of(record.get("kind")) in SUBJECTS


def about_of(record: Record) -> str:
    """What the record is about, raw: a destination with its address, a program, an event."""
    if not is_act(record):
        return f"of line {text_of(record['of'])}" if "of" in record else text_of(record.get("event"))
    text, dst = full_text(record), record.get("dst")
    if isinstance(dst, dict) and dst.get("host") and dst.get("ip"):
        return f"{text} ({text_of(dst['ip'])})"
    return text


# What each field reads.


def why(left: Left) -> list[str]:
    return [text_of(left.take("why")), text_of(left.take("because"))]


def rule(left: Left) -> list[str]:
    name = text_of(left.take("rule"))
    return ["default: no rule matched" if name == "default" else name]


def destination(left: Left) -> list[str]:
    host, ip, port, proto, path = left.texts("dst", "host", "ip", "port", "proto", "path")
    asked, named, own = left.texts("dst", "asked", "name_from", "own")
    return [
        joined(
            host,
            ip and (f"at {ip}" if host else ip),
            port and f"port {port}",
            proto,
            path,
            "" if asked in (host, f"{host}:{port}") else asked and f"asked for as {asked}",
            named and NAMED_BY.get(named, f"named by {named}"),
            own and ("the run's own socket" if own == "true" else f"own: {own}"),
        )
    ]


def look_up(left: Left) -> list[str]:
    name, kind, answers, ms = left.texts("dns", "name", "type", "answers", "ms")
    return [
        f"{kind} of {name}" if kind and name else kind or name,
        answers and f"answers: {answers}",
        ms and f"{ms} ms",
    ]


def request(left: Left) -> list[str]:
    scheme, method, host, path, query = left.texts("http", "scheme", "method", "host", "path", "query")
    return [f"{method} {scheme and f'{scheme}://'}{host}{path}".strip(" "), query and f"query names: {query}"]


def headers(left: Left) -> list[str]:
    found = left.take("http", "headers")
    return [f"{key}: {text_of(value)}" for key, value in found.items()] if isinstance(found, dict) else [text_of(found)]


def body(left: Left) -> list[str]:
    kind, entropy = left.texts("http", "content_type", "entropy")
    return [joined(counted(left.take("http", "body_bytes")), kind, entropy and f"entropy {entropy} bits a byte")]


def program(left: Left) -> list[str]:
    named, path = left.texts("exec", "program", "path")
    return [f"{named} ({path})" if named and path else named or path]


def command(left: Left) -> list[str]:
    return [words_of(left.take("exec", "argv")), words_of(left.take("command"))]


def guard(left: Left) -> list[str]:
    word, _, because = text_of(left.take("exec", "shim")).partition(": ")
    said = {"on": "the guard is in it", "off": "the guard is not in it"}.get(word, word)
    return [f"{said}: {because}" if because else said]


def native(left: Left) -> list[str]:
    path, symbol = left.texts("native", "path", "symbol")
    return [path, symbol and f"symbol {symbol}"]


def file(left: Left) -> list[str]:
    path, mode = left.texts("file", "path", "mode")
    return [joined(path, mode and f"mode {mode}")]


def code(left: Left) -> list[str]:
    place, line, func, module, package, via = left.texts("code", "file", "line", "func", "module", "package", "via")
    (library,) = left.texts("code", "library")
    where = f"{place}:{line} {func}" if line else f"{place} {func}"
    module = "" if module == package else module
    found = joined(
        where.strip(" "),
        module and f"module {module}",
        package and f"package {package}",
        via and f"through {via}",
        library and f"library {library}",
    )
    return [found and f"{found} ({ITS_WORD})"]


def process(left: Left) -> list[str]:
    pid, tid, ppid, uid, user = left.texts("proc", "pid", "tid", "ppid", "uid", "user")
    thread = "" if tid == pid else tid and f"thread {tid}"
    who = f"{user} ({uid})" if user and uid else user or uid
    return [joined(pid, thread, ppid and f"child of {ppid}", who and f"user {who}")]


def runs(left: Left) -> list[str]:
    argv = words_of(left.take("proc", "argv"))
    return [text_of(left.take("proc", "exe")), argv and f"as {argv}"]


def claims(left: Left) -> list[str]:
    said = text_of(left.take("claims"))
    return [said and f"{said} ({ITS_WORD}, never a right)"]


def when(left: Left) -> list[str]:
    stamp = text_of(left.take("ts"))
    if len(stamp) == 27 and stamp[10] == "T" and stamp[26] == "Z":
        stamp = f"{stamp[:10]} {stamp[11:26]} UTC"
    return [joined(stamp, clock_text(left.take("mono_ns")))]


def seen_by(left: Left) -> list[str]:
    event = text_of(left.take("event"))
    return [joined(text_of(left.take("layers")), event and f"event {event}")]


def findings(left: Left) -> list[str]:
    found = left.take("findings")
    return [finding(each) for each in found] if isinstance(found, list) else [text_of(found)]


def finding(found: object) -> str:
    """`high secret-leak: why, attack T1567` with whatever else it says."""
    if not isinstance(found, dict):
        return text_of(found)
    rest = dict(found)
    severity, name, says, attack = [text_of(rest.pop(key, None)) for key in ("severity", "id", "why", "attack")]
    head = " ".join([part for part in (severity, name) if part])
    return joined(": ".join([part for part in (head, says) if part]), attack and f"attack {attack}", text_of(rest))


def outcome(left: Left) -> list[str]:
    """How an act, or a run, ended."""
    error, reason, signal = left.take("errno"), text_of(left.take("reason")), left.take("signal")
    status, ended, ms, first = [text_of(left.take(key)) for key in ("status", "exit", "ms", "ttfb_ms")]
    (answers,), sent, received = left.texts("dns", "answers"), left.take("bytes_out"), left.take("bytes_in")
    parts = (
        reason if error is None else error_text(error, reason),
        status and f"status {status}",
        answers and f"answers: {answers}",
        ended and f"exit status {ended}",
        "" if signal is None else signal_text(signal),
        ms and f"took {ms} ms",
        first and f"first byte after {first} ms",
        "" if sent is None else f"{counted(sent)} sent",
        "" if received is None else f"{counted(received)} received",
    )
    return ["; ".join([part for part in parts if part])]


def line(left: Left) -> list[str]:
    seq, run, chain = [text_of(left.take(key)) for key in ("seq", "run", "chain")]
    return [joined(seq, run and f"run {run}", chain and f"chain {chain}")]


def one(key: str) -> Callable[[Left], list[str]]:
    """Reads a key as it is."""
    return lambda left: [text_of(left.take(key))]


def two(key: str, inner: str) -> Callable[[Left], list[str]]:
    """Reads a key of an object as it is."""
    return lambda left: [text_of(left.take(key, inner))]


#: Label and reader: what was decided about what, then who asked and when, then where the line stands.
ACT: tuple[Reader, ...] = (
    ("why", why),
    ("rule", rule),
    ("findings", findings),
    ("to", destination),
    ("look-up", look_up),
    ("request", request),
    ("headers", headers),
    ("body", body),
    ("program", program),
    ("command", command),
    ("starts in", two("exec", "cwd")),
    ("guard", guard),
    ("native", native),
    ("file", file),
    ("arguments", two("audit", "args")),
    ("outcome", outcome),
)
AROUND: tuple[Reader, ...] = (
    ("code", code),
    ("process", process),
    ("runs", runs),
    ("folder", two("proc", "cwd")),
    ("session", two("tags", "session")),
    ("tags", one("tags")),
    ("claims", claims),
    ("when", when),
    ("seen by", seen_by),
)
PLACE: tuple[Reader, ...] = (("line", line), ("prev", one("prev")))
