"""Say what the wall can hold on this machine, why not more, and what would help.

  netguard doctor           in words
  netguard doctor --json    for programs

Each ability that the wall needs is tried in a process of its own, as the user
who asks: ask where, and as whom, programs will run. Nothing is changed.

Ends with 0 if the wall holds (tier A or B), with 1 if not.
"""

from __future__ import annotations

import os

from netguard.seccomp import tiers
from netguard.seccomp.machine import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from netguard.seccomp.machine import About
    from netguard.seccomp.tiers import Ability, Tier

SUMMARY = "say what the wall can hold on this machine, and why"

#: As wide as a terminal is that nobody has made wider.
COLUMNS = 80


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: Namespace) -> int:
    """Print the tier and the abilities. Returns 0 where the wall decides, 1 otherwise."""
    about = look()
    errors = tiers.probe(about)
    tier, abilities = tiers.judge(about, errors), list(tiers.abilities(about, errors))
    print(as_json(about, tier, abilities) if args.json else "\n".join(as_text(about, tier, abilities)))
    return 0 if tier.decides else 1


def as_text(about: About, tier: Tier, abilities: list[Ability]) -> Iterator[str]:
    """The tier first, then what there is, one line each; below what is missing, why, and what would help."""
    held, lost = tiers.MEANING[tier.letter]
    yield from wrapped(f"tier {tier.letter}: ", held)
    for what, text in (("not held: ", lost), ("why: ", tier.why), ("what helps: ", tier.remedy or nothing(tier.why))):
        if text:
            yield from wrapped(what, text)
    yield ""
    for key, value in known(about):
        yield f"{key:<9} {value}"
    yield ""
    for ability in abilities:
        yield f"{'on' if ability.on else 'off':<4} {ability.name:<13} {ability.purpose}"
        for what, text in (("why: ", ability.why), ("what helps: ", ability.remedy or nothing(ability.why))):
            if text:
                yield from wrapped(" " * 19 + what, text)


def nothing(why: str) -> str:
    """What is said where something is missing and netguard knows no help."""
    return "nothing that netguard knows of" if why else ""


def known(about: About) -> Iterator[tuple[str, str]]:
    """What was found without trying."""
    yield "system", f"{about.system} {about.release}, {about.machine}"
    yield "user", str(os.geteuid()) if os.geteuid() else "0; root has ways past any wall: better run as somebody else"
    yield "Yama", f"kernel.yama.ptrace_scope is {about.yama}" if about.yama else "does not restrict"
    yield "Landlock", f"ABI {about.landlock}" if about.landlock else "none"
    around = "netguard run" if about.guarded else "what is around this process"
    yield "filtered", f"yes, by {around}" if about.filtered else "no"


def wrapped(first: str, text: str) -> list[str]:
    """A text of any length behind its first words, with the lines below set in."""
    import textwrap

    set_in = " " * (len(first) - len(first.lstrip()) + 2)
    return textwrap.wrap(text, COLUMNS, initial_indent=first, subsequent_indent=set_in, break_on_hyphens=False)


def as_json(about: About, tier: Tier, abilities: list[Ability]) -> str:
    """The same as one object."""
    import json

    held, lost = tiers.MEANING[tier.letter]
    fence = tier.fence
    return json.dumps(
        {
            "tier": tier.letter, "decides": tier.decides, "held": held, "not_held": lost,
            "why": tier.why, "remedy": tier.remedy,
            "machine": {name: getattr(about, name) for name in about.__slots__},
            "landlock": fence and {name: getattr(fence, name) for name in fence.__slots__},
            "abilities": [{name: getattr(ability, name) for name in ability.__slots__} for ability in abilities],
        }
    )  # fmt: skip
