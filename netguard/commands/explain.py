"""Show which rule decides a request, and why each rule before it does not.

  netguard explain rules.yaml 'connect example.org:443'
  netguard explain rules.yaml 'connect example.org:443 at 10.0.0.5'
  netguard explain rules.yaml 'http GET https://example.org/x'
  netguard explain rules.yaml '[user=ci] exec curl -s example.org'
  netguard explain agent 'listen 0.0.0.0:8080'

The request is the last word, in quotes; "at ADDRESS" says what its name leads
to. Before it stand rule files or packs; without any, the pack audit is asked.
Limits are shown, not charged.

Ends with 0 whatever the verdict is, with 1 when the files cannot be used, with
2 when the request cannot be read.
"""

from __future__ import annotations

import argparse

from netguard.core.address import format_ip
from netguard.core.decide import AWAITED, decide
from netguard.core.explain import walks, why_denied
from netguard.core.policy import DENY, Decision, Policy, Rule
from netguard.core.request import Request
from netguard.errors import PolicyError
from netguard.policy.grammar import parse_request
from netguard.policy.load import load_policy
from netguard.policy.node import printable
from netguard.policy.schema import VERDICTS

SUMMARY = "show which rule decides a request, and why the others do not"

#: What this ends with when the files cannot be used, and when the request cannot be read.
UNUSABLE, USAGE = 1, 2

WIDTH = 80
WHY = 36  # least columns for the reason; names and places give way to it
Row = tuple[str, str, str, str]
HEADINGS: Row = ("", "VERDICT", "RULE", "WHY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE|PACK", help="rule files or packs; without any: audit")
    parser.add_argument("request", help="what is asked for, in quotes")
    parser.add_argument("--default", choices=VERDICTS, help="if no rule matches, whatever the files say")


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
    return ">" if matched else " ", rule.verdict, printable(rule.name), printable(why)


def walked(policy: Policy, request: Request, decision: Decision) -> list[str]:
    """The rules as they were asked, and the default where none of them decided."""
    (asked, rows), *more = walks(policy, request)
    lines: list[str] = []
    if more:
        # Rules that speak of both kinds are shown once, with the connection.
        alone = [row(*each) for each in rows if asked.kind in each[0].kinds and "connect" not in each[0].kinds]
        lines = [*table(alone), ""] if alone else []
        lines.append(f"No rule speaks of the request itself. Its connection, connect {printable(endpoint(request))}:")
        rows = more[0][1]
    shown = [row(*each) for each in rows]
    if decision.index < 0:
        shown.append((">", decision.verdict, decision.rule, printable(why_denied(policy, request, decision))))
    return lines + table(shown)


def endpoint(request: Request) -> str:
    """HOST:PORT of a request."""
    host = request.host or ("" if request.address is None else format_ip(request.address))
    return f"[{host}]:{request.port}" if ":" in host else f"{host}:{request.port}"


def ending(policy: Policy, request: Request, decision: Decision) -> list[str]:
    """What is decided, by which rule, where it stands, and because of what."""
    if decision is AWAITED:
        return [f"{decision.verdict}: {decision.why}, once its address is known", *look_up(policy, request)]
    if decision.index < 0:
        return [f"{decision.verdict}: {why_denied(policy, request, decision)}; the default is {policy.default}"]
    rule = policy.rules[decision.index]
    lines = [f"{decision.verdict}: by '{printable(rule.name)}' at {printable(rule.where)}"]
    lines += [f"because {line}" for line in [rule.because] if line]
    lines += [f"at most {limit.text}, then {limit.over}" for limit in rule.limits]
    return lines + ["for the look-up; its answers are decided on before they are released"] * decision.open


def look_up(policy: Policy, request: Request) -> list[str]:
    """What comes next of a request whose address is not known: the look-up of its name, a decision of its own."""
    name = Request(
        "dns", host=request.host, code=request.code, user=request.user, tags=request.tags, process=request.process
    )
    decision = decide(policy, name)
    says = "the default" if decision.index < 0 else f"'{printable(decision.rule)}'"
    lines = [f"next, dns {printable(name.host)}: {decision.verdict}, by {says}"]
    if name.host == "localhost":
        lines = ["next, dns localhost: this machine's own name, looked up without a decision"]
    elif decision.verdict == DENY:
        return [f"{lines[0]}; it ends there"]
    return [*lines, "then its connection; put an address behind the request to see what it comes to: 'at 127.0.0.1'"]


def asked(args: argparse.Namespace) -> tuple[Policy, Request]:
    """The policy and the request. Raises PolicyError, with the exit code that says which of them is wrong."""
    status = USAGE
    try:
        request = parse_request(args.request)
        status = UNUSABLE
        return load_policy(args.files or ["netguard:audit"], default=args.default), request
    except PolicyError as error:
        error.exit_code = status
        raise


def run(args: argparse.Namespace) -> int:
    """Print the rules up to the one that decides. Returns 0 whatever the verdict is: the question was answered."""
    policy, request = asked(args)
    decision = decide(policy, request)
    print("\n".join([*walked(policy, request, decision), "", *ending(policy, request, decision)]))
    return 0
