"""Show one event of a trail in full, and the rule that would decide it.

  netguard show                         the last denial of the newest run
  netguard show 17                      line 17 of the newest run
  netguard show trail.jsonl 17          of a trail
  netguard show 01JD last               of a run, by the beginning of its name
  netguard show - last-denied <FILE     of what is piped in

The line is a number (`seq`), `last` or `last-denied`. Where a file has several
runs, or a chain for each process, --run and --chain say which is meant.
Whatever stands on the line is shown, and what came of it. Below stands the one
rule that would allow just this where it was denied, or deny it where it was not.

Ends with 0 when the event is shown, with 1 when there is none or more than one,
with 2 when the trail cannot be read.
"""

from __future__ import annotations

import os
import sys

from netguard.errors import TrailError, UsageError
from netguard.record.line import escape
from netguard.trail.pick import WORDS, Found, Pick, pick
from netguard.trail.place import trail_of
from netguard.views.event import about_of, event_lines, verdict_of
from netguard.views.rule_for import ABOVE, rule_for
from netguard.views.screen import coloured, is_utf8, width
from netguard.views.subject import SUBJECTS
from netguard.views.text import plain
from netguard.views.value import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from netguard.views.subject import Record

SUMMARY = "show one event of a trail, and the rule that would decide it"

SHOWN, NOT_ONE, UNREADABLE = 0, 1, 2

#: Lines of one number that are named where there are more.
NAMED = 10
#: Characters of a name that an error shows.
NAME = 128
#: A number with more digits is no line's.
DIGITS = 18


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("trail", nargs="?", metavar="TRAIL", help="a file, a run, or -; without it, the newest run")
    parser.add_argument("line", nargs="?", metavar="LINE", help="a number, last, or last-denied as without it")
    parser.add_argument("--run", default="", metavar="NAME", help="of this run, by the beginning of its name")
    parser.add_argument("--chain", default="", metavar="NAME", help="of this chain, by its name or its process")
    parser.add_argument("--json", action="store_true", help="print the line, and those about it, as they stand there")
    parser.usage = "netguard show [options] [TRAIL|RUN|-] [LINE|last|last-denied]"


def run(args: Namespace) -> int:
    """Print the event. Raises TrailError, whose exit code says whether the trail or the line is wrong."""
    trail, wanted = meant([word for word in (args.trail, args.line) if word is not None])
    try:
        path: str | int = 0 if trail == "-" else trail_of(trail)
        picked = pick(path, wanted, args.run, args.chain)
    except TrailError as error:
        error.exit_code = UNREADABLE
        raise
    found = only(picked, "standard input" if path == 0 else str(path))
    if args.json and sys.stdout is not None:
        print_raw(found)
    elif not args.json:
        print("\n".join(page(found)))
    return SHOWN


def meant(words: list[str]) -> tuple[str, int | str]:
    """(trail, line) of the words; without one of them the newest run, the last denial."""
    if not words or line_of(words[-1]) is None:
        if len(words) == 2:
            raise UsageError(f"{plain(words[1], NAME)} is no line: a number, {' or '.join(WORDS)}")
        return (words[0] if words else ""), "last-denied"
    return (words[0] if len(words) == 2 else ""), line_of(words[-1]) or 0


def line_of(word: str) -> int | str | None:
    """The line that a word means; None if it means none."""
    if word.isascii() and word.isdigit() and len(word) <= DIGITS:
        return int(word)
    return word if word in WORDS else None


def only(picked: Pick, where: str) -> Found:
    """The one event. Raises TrailError where there is none, or several that are told apart."""
    found = list(picked.found.values())
    if len(found) == 1 and not picked.more:
        return found[0]
    what = {"last": "act on record", "last-denied": "denial"}.get(str(picked.wanted), f"line {picked.wanted}")
    of = f" of run {plain(picked.run, NAME)}…" if picked.run else ""
    of += f" of chain {plain(picked.chain, NAME)}" if picked.chain else ""
    if not found:
        text = f"there is no {what}{of} in {plain(where)}"
    else:
        count = len(found) + picked.more
        some = [f"  {candidate(each.record)}" for each in found[:NAMED]]
        rest = [f"  and {count - NAMED:,} more"] if count > NAMED else []
        text = "\n".join([f"there are {count:,} lines {picked.wanted}{of}; say which:", *some, *rest])
    error = TrailError(text)
    error.exit_code = NOT_ONE
    raise error


def candidate(record: Record) -> str:
    """How to name a line, and what it is about."""
    chain = f" --chain {plain(record['chain'], NAME)}" if record.get("chain") else ""
    about = " ".join([part for part in (verdict_of(record)[0], text_of(record.get("kind")), about_of(record)) if part])
    return f"--run {plain(text_of(record.get('run')), NAME)}{chain}   {plain(about, 60)}"


def page(found: Found) -> list[str]:
    """The event, and below it the rule."""
    utf8 = is_utf8(getattr(sys.stdout, "encoding", None))  # None where it is closed
    later = [record for record, _ in found.later]
    lines = event_lines(found.record, later, width(1), colour=coloured(1), utf8=utf8)
    if found.beyond:
        lines += ["", f"{found.beyond:,} more lines about it are not shown"]
    if found.twins:
        say = "line says that it is" if found.twins == 1 else "lines say that they are"
        lines += ["", f"{found.twins:,} more {say} this one: netguard verify tells which is wrong"]
    return [*lines, "", *rule_lines(found.record)] if text_of(found.record.get("kind")) in SUBJECTS else lines


def rule_lines(record: Record) -> list[str]:
    """The rule that would decide it the other way."""
    denied = record.get("verdict") == "deny" or record.get("would") == "deny"
    verdict = "allow" if denied else "deny"
    rule = rule_for(record, verdict)
    if rule:
        place = ", before the one that denied it" if denied and record.get("rule") != "default" else ""
        return [f"The rule that would {verdict} just this{place}:", "", *rule.splitlines()]
    if record.get("rule") in ABOVE:
        return ["No rule decides this: it is denied whatever the rules say."]
    return [f"No rule can {verdict} just this and nothing else."]


def print_raw(found: Found) -> None:
    """The lines as they stand in the file. A terminal gets hidden characters as the escapes that JSON has for them."""
    for raw in (found.raw, *[raw for _, raw in found.later]):
        body = raw.rstrip(b"\n")
        sys.stdout.flush()
        sys.stdout.buffer.write((escape(body) if os.isatty(1) else body) + b"\n")
