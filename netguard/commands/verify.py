"""Check that a trail is whole, or show the first line that is wrong.

  netguard verify trail.jsonl           what a run left
  netguard verify --live trail.jsonl    while the run still writes
  netguard verify --json trail.jsonl    for programs

Each line carries the hash of the line before it in its chain, so a line that
was changed, dropped or moved shows. It does not show that somebody rewrote the
whole file: keep a copy of a line elsewhere, and it pins every line before it.
A run may have one chain for each of its processes, between each other.

Ends with 0 for a whole trail, with 1 for a broken one, with 2 for a file that
cannot be read.
"""

from __future__ import annotations

from netguard.errors import TrailError
from netguard.trail.verify import Chain, Report, verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "check that a trail is whole"

WHOLE, BROKEN, UNREADABLE = 0, 1, 2

#: So many chains are named where there may be thousands; --json has them all.
SHOWN = 8

#: What a chain by itself is worth; said every time, so that nobody takes "whole" for more.
GRADE = (
    "self-attested: the chain shows a line that was changed, dropped or moved; it cannot show an edit by someone who "
    "could rewrite the whole file. Keep a copy of a line elsewhere, and it pins every line before it."
)


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="the trail, such as trail.jsonl of a run's folder")
    parser.add_argument("--live", action="store_true", help="the run still writes: an unfinished last line is no fault")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(args: Namespace) -> int:
    """Print the verdict. Returns 0 whole, 1 broken; raises TrailError with exit code 2 if the file cannot be read."""
    try:
        report = verify(args.file, live=args.live)
    except TrailError as error:
        error.exit_code = UNREADABLE
        raise
    print(as_json(report) if args.json else as_text(report))
    return WHOLE if report.whole else BROKEN


def as_text(report: Report) -> str:
    """One line with the verdict, one for each thing worth knowing, and what the verdict is worth."""
    return "\n".join([verdict(report), *notes(report), GRADE])


def verdict(report: Report) -> str:
    """`whole: 1 run, 17 lines, closed`, `whole: 1 run, 12 chains, 340 lines, closed`, or the first wrong line."""
    if report.first_bad:
        number, reason = report.first_bad
        return f"broken: line {number}: {printable(reason)}"
    parts = [plural(len(report.runs), "run")]
    if many(report):
        parts.append(plural(len(report.chains), "chain"))
    return f"whole: {', '.join([*parts, plural(report.lines, 'line'), ends(report)])}"


def many(report: Report) -> bool:
    """Whether these are chains of processes, and not each the one chain of a run."""
    return any([chain.chain for chain in report.chains])


def ends(report: Report) -> str:
    """How the chains end."""
    if not report.unclosed:
        return "closed"
    if many(report):
        return f"{plural(report.unclosed, 'chain')} without close"
    return "not closed" if len(report.runs) == 1 else f"{report.unclosed} not closed"


def notes(report: Report) -> list[str]:
    """What is not wrong and should be known."""
    some = []
    wrong = [chain for chain in report.chains if chain.bad]
    if wrong and many(report):
        some.append(f"wrong in {len(wrong)} of {plural(len(report.chains), 'chain')}: {named(wrong)}")
    if report.unclosed:
        open_ones = [chain for chain in report.chains if not chain.closed]
        some.append(f"no close line: {named(open_ones)} (still running, killed, or cut off at the end of a line)")
    if report.orphans:
        some.append(f"forked from a chain that is not here: {plural(report.orphans, 'chain')}")
    if report.torn:
        some.append(f"unfinished lines, each accounted for by a later line: {report.torn}")
    if report.tamper:
        some.append(f"tamper lines: {report.tamper} (what netguard itself noticed; read them)")
    if report.tail:
        some.append(f"after the last line feed: {plural(report.tail, 'byte')}")
    return some


def named(chains: list[Chain]) -> str:
    """The first few chains by name: of a run with one, the run's."""
    rest = len(chains) - SHOWN
    names = [printable(chain.chain or chain.run) for chain in chains[:SHOWN]]
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "")


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    import json

    shown = report._asdict()
    shown["chains"] = [chain._asdict() for chain in report.chains]
    shown["first_bad"] = dict(zip(("line", "reason"), report.first_bad, strict=True)) if report.first_bad else None
    return json.dumps({**shown, "grade": "self-attested"})


def plural(count: int, noun: str) -> str:
    """`1 line`, `17 lines`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def printable(text: str) -> str:
    """A file's text for a terminal: it may have been written by anyone."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
