"""A storm on the channel: askers of all kinds at once, forks, signals and broken-off questions among them."""

from __future__ import annotations

import collections
import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

from netguard.trail.verify import verify
from tests.supervisor.running import running
from tests.support.isolation import Namespace, missing

NUMBERS = 48
STORM = str(Path(__file__).parent / "storm.py")

#: Every number has a rule of its own, so that a denial says whose it is.
RULES = f"""
version: 1
default: deny
rules:
{"".join(f'  - {{name: p{n}, deny: connect, to: "127.0.0.1:{3000 + n}"}}' + chr(10) for n in range(NUMBERS))}
{"".join(f'  - {{name: d{n}, deny: dns, to: d{n}.test}}' + chr(10) for n in range(NUMBERS))}
  - {{name: silent, allow: connect, to: "127.0.0.1:1000-1999"}}
  - {{name: told, log: connect, to: "127.0.0.1:2000-2999"}}
  - {{name: names, log: dns, to: "*.test", private: true}}
"""


def supervisor(pid: int) -> tuple[int, int]:
    """Its descriptors and its memory in KiB. Descriptors only root can count, since it does not let itself be read."""
    status = Path(f"/proc/{pid}/status").read_text()
    fds = len(os.listdir(f"/proc/{pid}/fd")) if os.geteuid() == 0 else 0
    return fds, int(status.partition("VmRSS:")[2].split()[0])


def recorded(lines: list[dict[str, object]]) -> collections.Counter[str]:
    """What is on record, in the askers' words. Acts that were broken off or cut short have ports of their own."""
    found: collections.Counter[str] = collections.Counter()
    for line in lines:
        kind, rule = line["kind"], str(line.get("rule", ""))
        if kind == "dns" and line["verdict"] == "log":
            found[f"name {str(line['dns']['name'])[1:].partition('.')[0]}"] += 1  # type: ignore[index]
        elif kind == "dns":
            found[f"no name {rule[1:]}"] += 1
        elif kind == "connect" and line["verdict"] == "deny":
            found[f"deny {rule[1:]}"] += 1
        elif kind == "connect" and line["dst"]["port"] < 2998:  # type: ignore[index]
            found[f"log {line['dst']['port'] - 2000}"] += 1  # type: ignore[index]
    return found


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize(
    "size", [(8, 4, 3), pytest.param((64, 8, 60), marks=pytest.mark.slow)], ids=["small", "whole"]
)
def test_every_asker_gets_its_own_answer_and_its_own_line(tmp_path: Path, size: tuple[int, int, int]) -> None:
    seed = random.randrange(10**6)
    tally = tmp_path / "tally"
    names = {f"n{n}.test": [f"198.51.100.{n}"] for n in range(NUMBERS)}
    with Namespace(anywhere=True) as space:
        space.open("dns", names=names, port=53)
        args = [STORM, *map(str, (*size, seed, NUMBERS)), str(tally)]
        errors = (tmp_path / "errors").open("w+")
        with errors, running(
            tmp_path, args, rules=RULES, options=["--quiet"], prefix=space.command([]), stderr=errors
        ) as run:
            pid = run.process.pid
            assert run.process.stdout.readline() == "half\n", (seed, (tmp_path / "errors").read_text())
            middle = supervisor(pid)[1]
            said = run.process.stdout.readline()
            assert said == "done 0\n", (seed, said, (tmp_path / "errors").read_text())
            end = time.monotonic() + 20
            while os.geteuid() == 0 and supervisor(pid)[0] > 24:
                assert time.monotonic() < end, (seed, supervisor(pid))
                time.sleep(0.05)
            grown = supervisor(pid)[1] - middle
            run.process.communicate("", timeout=60)
            assert (run.process.returncode, (tmp_path / "errors").read_text()) == (0, ""), seed
    reports = [json.loads(line) for line in tally.read_text().splitlines()]
    assert len(reports) >= size[0]
    assert [report["wrong"] for report in reports if report["wrong"]] == [], seed
    seen: collections.Counter[str] = collections.Counter()
    for report in reports:
        seen.update(report["seen"])
    lines = [json.loads(line) for line in run.trail.read_text().splitlines()]
    silent = sum(line["counts"].get("silent", 0) for line in lines if line["kind"] == "count")
    assert silent == sum(count for what, count in seen.items() if what.startswith("allow ")), seed
    told = {what: count for what, count in seen.items() if not what.startswith("allow ")}
    assert recorded(lines) == told, seed
    assert [line for line in lines if line["kind"] in ("tamper", "alert")] == [], seed
    report = verify(str(run.trail))
    assert report.whole, (seed, report.first_bad)
    print(f"{sys.argv[0]}: {sum(seen.values())} acts, {len(reports)} processes, memory {grown:+} KiB")
    assert grown < 16_384, seed  # KiB; the silent grants of one second alone are half of that
