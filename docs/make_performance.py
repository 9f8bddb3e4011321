"""Writes the tables of `docs/explanation/performance.md` from what `make bench ARGS='--json FILE'` has measured:
`python docs/make_performance.py FILE`.

What stands outside the markers is written by hand. A test holds the rows of the page to those that are measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "explanation" / "performance.md"
BEGIN, END = "<!-- Made by `make bench` and `python docs/make_performance.py`. -->", "<!-- End of what was made. -->"

#: What the second column says, where it is not bare Python.
AGAINST = {"one decision": "with 10 rules", "memory": "bare, or after 10,000 acts"}


def made(told: dict[str, Any]) -> str:
    """What stands between the markers."""
    return "\n".join([BEGIN, "", *machine(told["machine"]), "", *tables(told["rows"]), *missed(told["rows"]), END])


def machine(said: dict[str, str]) -> Iterator[str]:
    """What the figures were taken on."""
    yield f"Taken on {said['CPU']} at {said['clock']} (virtual: {said['virtual']}),"
    yield f"{said['system']}, {said['Python']}; load {said['load before']} before and {said['load after']} after."


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One table for each section."""
    section = ""
    for row in rows:
        if row["section"] != section:
            if section:
                yield ""
            section = row["section"]
            yield f"## {section[0].upper()}{section[1:]}"
            yield ""
            yield f"| what | {AGAINST.get(section, 'bare')} | guarded | more | | aim |"
            yield "|---|---|---|---|---|---|"
        yield line(row)
    yield ""


def line(row: dict[str, Any]) -> str:
    """One row."""
    unit = row["unit"]
    more = f"{figure(row['more'], '+')} {unit}" if row["more"] is not None else ""
    ratio = f"×{row['ratio']:.2f}" if row["ratio"] is not None else ""
    both = [f"{figure(row[key])} {unit}" if row[key] is not None else "" for key in ("bare", "guarded")]
    return f"| {' | '.join([row['what'], *both, more, ratio, aim(row)])} |"


def aim(row: dict[str, Any]) -> str:
    """What it should come to, and whether it does."""
    text = row["aim"]
    if not text:
        return ""
    words = {"x": f"×{text[1:]}", "+": f"{text} {row['unit']}"}.get(text[0], f"{text[1:]} {row['unit']}")
    return f"{words}, **missed**" if row["met"] is False else words


def figure(value: float, sign: str = "") -> str:
    """Three digits that say something."""
    size = abs(value)
    return f"{value:{sign},.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def missed(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Why an aim that is missed stays so for now."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["met"] is False and row["known"]:
            reasons.setdefault(row["known"], []).append(f"{row['what']} ({row['section']})")
    if reasons:
        yield "Aims that are missed:"
        yield ""
    for reason, names in reasons.items():
        yield f"- {'; '.join(names)}: {reason}."
    if reasons:
        yield ""


def page(text: str, told: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + made(told) + rest.partition(END)[2]


def main(words: list[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description="Writes the tables of the page on performance.")
    parser.add_argument("file", type=Path, help="what `make bench ARGS='--json FILE'` wrote")
    told = json.loads(parser.parse_args(words).file.read_text())
    if told["quick"]:
        parser.error("a quick run's figures are not for the page")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), told), encoding="utf-8")


if __name__ == "__main__":
    main()
