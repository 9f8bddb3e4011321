"""`netguard explain`: which rule decides a request, and why each rule before it does not match."""

from __future__ import annotations

import argparse

from netguard.core.decide import decide
from netguard.core.explain import explain
from netguard.core.policy import Decision, Policy, Rule
from netguard.policy.grammar import parse_request
from netguard.policy.load import load_policy
from netguard.policy.node import printable
from netguard.policy.schema import VERDICTS

SUMMARY = "say which rule decides a request, and why those before it do not"
WIDTH = 80
WHY = 36  # least columns for the reason; names and places give way to it
Row = tuple[str, str, str, str]
HEADINGS: Row = ("", "VERDICT", "RULE", "WHY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="rule files or packs; without any, the pack audit")
    parser.add_argument("request", help="such as 'connect evil.com:443', 'dns x.y', 'exec curl -s x'")
    parser.add_argument("--default", choices=VERDICTS, help="what happens when no rule matches; overrides the files")


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most this width, broken at spaces where there are any."""
    lines = [""]
    for word in text.split(" "):
        while len(lines[-1]) + 1 + len(word) > width:
            if lines[-1]:
                lines.append("")
            if len(word) > width:
                lines[-1], word = word[:width], word[width:]
            else:
                break
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def table(rows: list[Row]) -> list[str]:
    """The rows under their headings, the last column wrapped so that no line is longer than WIDTH."""
    rows = [HEADINGS, *rows]
    widths = [max([len(row[column]) for row in rows]) for column in range(3)]
    widths[2] = min(widths[2], WIDTH - WHY - widths[0] - widths[1] - 6)
    rest = WIDTH - sum(widths) - 6
    lines = []
    for mark, verdict, name, why in rows:
        names, whys = wrapped(name, widths[2]), wrapped(why, rest)
        for number in range(max(len(names), len(whys))):
            first = (mark, verdict) if number == 0 else ("", "")
            cells = (*first, names[number] if number < len(names) else "")
            left = "  ".join([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)])
            lines.append(f"{left}  {whys[number] if number < len(whys) else ''}".rstrip())
    return lines


def row(rule: Rule, matched: bool, why: str) -> Row:
    facet, colon, reasons = why.partition(": ")
    each = dict.fromkeys(reasons.split("; "))  # a list in `to` gives the same reason once for each of its addresses
    return ">" if matched else " ", rule.verdict, printable(rule.name), printable(facet + colon + "; ".join(each))


def ending(policy: Policy, decision: Decision) -> list[str]:
    """What is decided, by which rule, where it stands, and because of what."""
    if decision.index < 0:
        return [f"{decision.verdict}: {decision.why}; the default is {policy.default}"]
    rule = policy.rules[decision.index]
    lines = [f"{decision.verdict}: by '{printable(rule.name)}' at {printable(rule.where)}"]
    lines += [f"because {line}" for line in [rule.because] if line]
    lines += [f"at most {limit.text}, then {limit.over}" for limit in rule.limits]
    return lines + ["for the look-up; its answers are decided on before they are released"] * decision.open


def run(args: argparse.Namespace) -> int:
    """Print the rules up to the one that decides. Returns 0 whatever the verdict is: the question was answered."""
    policy = load_policy(args.files or ["netguard:audit"], default=args.default)
    request = parse_request(args.request)
    decision = decide(policy, request)
    rows = [row(*each) for each in explain(policy, request)]
    if decision.index < 0:
        rows.append((">", decision.verdict, "default", printable(decision.why)))
    print("\n".join(table(rows)))
    print("\n".join(["", *ending(policy, decision)]))
    return 0
