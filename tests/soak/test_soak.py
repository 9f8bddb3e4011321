"""A short form of the soak: the great numbers made small, and some seconds of the long hour. Nothing may be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.gauge import ENOUGH, Gauge, growth

ROOT = Path(__file__).parents[2]


def soak(folder: Path, *words: str) -> dict:
    """The report of a soak."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "tests.soak", "--json", str(report), "--folder", str(folder), *words]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NETGUARD")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=280, check=False)
    assert report.exists(), done.stderr
    found: dict = json.loads(report.read_text())
    assert done.returncode == (1 if any(part["wrong"] for part in found.values() if isinstance(part, dict)) else 0)
    return found


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the supervisor")
def test_every_connection_and_process_is_accounted_for(tmp_path: Path) -> None:
    report = soak(tmp_path, "--connections", "20000", "--processes", "2000", "--minutes", "0", "--seed", "1")
    assert report["great"]["wrong"] == []
    assert report["great"]["workers"] == 6


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the supervisor")
def test_everything_at_once_hangs_nothing_and_hides_nothing(tmp_path: Path) -> None:
    report = soak(tmp_path, "--connections", "0", "--processes", "0", "--minutes", "0.5", "--seed", "1")
    assert report["hour"]["wrong"] == []
    assert report["hour"]["arrived"]["tcp told"] > 0


def test_growth_is_told_from_warming_up_and_from_noise() -> None:
    many = 4 * ENOUGH
    assert growth([*range(100), *[100] * many]) == 0
    assert growth([100 + number % 7 for number in range(many)]) <= 0
    assert growth(list(range(many))) > many / 4
    gauge = Gauge(0, Path("/nowhere"))
    gauge.series = [{"rss": 30 << 20, "fds": 20, "threads": 2, "tables": {"leak": 50 * at}} for at in range(many)]
    assert [text.partition(":")[0] for text in gauge.grown()] == ["leak grew"]
    gauge.series = [{"rss": (30 << 20) + (at << 20), "fds": at, "tables": {"kept": 4_000}} for at in range(many)]
    assert [text.partition(":")[0] for text in gauge.grown()] == ["rss grew", "fds grew"]
