"""The table's own sums, and that the page has its rows. What it measures is no matter of passing or failing here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.bench.measures import Pair
from tests.bench.rows import SECTIONS
from tests.bench.table import found, is_met, main
from tests.support.isolation import ROOT

ROWS = [(section, row.what) for section, rows in SECTIONS.items() for row in rows]


@pytest.mark.parametrize(
    ("aim", "bare", "guarded", "met"),
    [
        ("+25", 10.0, 35.0, True), ("+25", 10.0, 35.1, False), ("x1.25", 10.0, 12.5, True), ("x1.2", 10.0, 12.1, False),
        ("<4", None, 4.0, True), ("<4", None, 4.1, False), (">100,000", None, 100_000.0, True),
        (">100,000", None, 99_999.0, False), ("", 1.0, 2.0, None), ("+1", None, 2.0, None), ("<1", None, None, None),
    ],
)  # fmt: skip
def test_an_aim_is_met_or_not(aim: str, bare: float | None, guarded: float | None, met: bool | None) -> None:
    assert is_met(aim, Pair(bare, guarded)) is met


def test_every_row_has_a_name_of_its_own_and_an_aim_that_can_be_read() -> None:
    assert len(set(ROWS)) == len(ROWS)
    for rows in SECTIONS.values():
        for row in rows:
            assert is_met(row.aim, Pair(1.0, 1.0)) in (True, False) if row.aim else not row.known


def performance() -> ModuleType:
    """`docs/make_performance.py`, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("make_performance", ROOT + "/docs/make_performance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told() -> dict[str, Any]:
    """What a run would have written, with figures that are all alike."""
    machine = dict.fromkeys(("CPU", "clock", "virtual", "system", "Python", "load before", "load after"), "so")
    rows = [found(section, row, Pair(1.0, 100.0)) for section, rows in SECTIONS.items() for row in rows]
    return {"machine": machine, "quick": False, "rows": rows}


def rows_of(text: str) -> list[tuple[str, str]]:
    """(section, row) of each table between the markers."""
    module = performance()
    rows, section = [], ""
    for line in text.partition(module.BEGIN)[2].partition(module.END)[0].splitlines():
        if line.startswith("## "):
            section = line[3:].lower()
        elif line.startswith("| ") and not line.startswith("| what |"):
            rows.append((section, line.split(" | ")[0][2:]))
    return rows


def test_the_page_has_the_rows_that_are_measured() -> None:
    assert rows_of(Path(ROOT, "docs/explanation/performance.md").read_text(encoding="utf-8")) == ROWS


def test_a_page_made_anew_keeps_what_was_written_by_hand() -> None:
    module = performance()
    page = f"# Before\n\n{module.BEGIN}\nold\n{module.END}\n\nAfter\n"
    new = module.page(page, told())
    assert rows_of(new) == ROWS
    assert new.startswith("# Before\n\n" + module.BEGIN)
    assert new.endswith(module.END + "\n\nAfter\n")
    assert "\nold\n" not in new
    assert module.page(new, told()) == new
    assert "+25 us, **missed** |" in new
    assert "\n- " in new  # why


def test_figures_of_a_quick_run_are_not_for_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "quick.json"
    file.write_text(json.dumps({**told(), "quick": True}))
    with pytest.raises(SystemExit):
        performance().main([str(file)])
    assert "quick" in capsys.readouterr().err


def test_a_section_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "weather"])
    assert "weather" in capsys.readouterr().err


@pytest.mark.slow
def test_a_quick_run_measures_every_row(tmp_path: Path) -> None:
    file = tmp_path / "quick.json"
    command = [sys.executable, ROOT + "/tests/bench/table.py", "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: a busy machine misses aims
    written = json.loads(file.read_text())
    assert [(row["section"], row["what"]) for row in written["rows"]] == ROWS
    lacking = [row["what"] for row in written["rows"] if row["guarded"] is None]
    assert lacking == ["the supervisor, after 500,000 acts"]
    assert all(row["guarded"] > 0 for row in written["rows"] if row["guarded"] is not None)
