"""Prints what the guard costs in one table, against bare Python in the same run: `make bench`.

    python tests/bench/table.py [--quick] [--only SECTION …] [--json FILE]

Ends with 1 when an aim is missed that is not known to be. `docs/make_performance.py FILE` writes the page from what
`--json` has kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import machine
from tests.bench.measures import Bench, Pair
from tests.bench.rows import SECTIONS, Row

COLUMNS = f"{'':<52}{'bare':>10}{'guarded':>10}  {'unit':<8}{'more':>10}{'ratio':>8}  {'aim':<10} met"


def is_met(aim: str, pair: Pair) -> bool | None:
    """Whether an aim is met; None where there is none, or nothing was measured."""
    bare, guarded = pair
    if not aim or guarded is None or (bare is None and aim[0] in "+x"):
        return None
    limit = float(aim[1:].replace(",", ""))
    if aim[0] == ">":
        return guarded >= limit
    return guarded <= {"<": limit, "+": (bare or 0.0) + limit, "x": (bare or 0.0) * limit}[aim[0]]


def figure(value: float | None, sign: str = "") -> str:
    """Three digits that say something, as a person reads them."""
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:{sign},.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def found(section: str, row: Row, pair: Pair) -> dict[str, object]:
    """A row with its figures, as JSON has it."""
    bare, guarded = pair
    both = bare is not None and guarded is not None
    return {
        "section": section, "what": row.what, "unit": row.unit, "bare": bare, "guarded": guarded,
        "more": guarded - bare if both else None, "ratio": guarded / bare if both else None,  # type: ignore[operator]
        "aim": row.aim, "met": is_met(row.aim, pair), "known": row.known,
    }  # fmt: skip


def shown(row: dict[str, object]) -> str:
    """A row as it is printed."""
    met = {True: "yes", False: "missed, known" if row["known"] else "MISSED", None: ""}[row["met"]]  # type: ignore[index]
    bare, guarded, more = (figure(row[key], sign) for key, sign in (("bare", ""), ("guarded", ""), ("more", "+")))  # type: ignore[arg-type]
    ratio = "–" if row["ratio"] is None else f"x{row['ratio']:.2f}"
    return f"{row['what']:<52}{bare:>10}{guarded:>10}  {row['unit']:<8}{more:>10}{ratio:>8}  {row['aim']:<10} {met}"


def measured(bench: Bench, sections: list[str]) -> list[dict[str, object]]:
    """Every row of these sections, printed as it comes."""
    rows = []
    print(COLUMNS)
    for section in sections:
        print(f"\n{section}")
        for row in SECTIONS[section]:
            rows.append(found(section, row, row.measure(bench, row.unit)))
            print(shown(rows[-1]), flush=True)
    return rows


def main(words: list[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="What the guard costs, against bare Python in the same run.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look in two minutes, no figures to keep")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    args = parser.parse_args(words)
    told = {**machine.described(), "load before": machine.load()}
    for name, value in told.items():
        print(f"{name:<12} {value}")
    with Bench(quick=args.quick) as bench:
        rows = measured(bench, args.only or list(SECTIONS))
    told["load after"] = machine.load()
    print(f"\nload after   {told['load after']}")
    if args.json:
        args.json.write_text(json.dumps({"machine": told, "quick": args.quick, "rows": rows}, indent=1) + "\n")
    missed = [f"{row['section']}: {row['what']}" for row in rows if row["met"] is False and not row["known"]]
    print("".join(f"\nmissed: {name}" for name in missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
