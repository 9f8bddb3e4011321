"""Many chains in one file, as a guard without a supervisor leaves them: each process writes its own, between others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from netguard.commands import verify as command
from netguard.record import line
from netguard.trail import verify as module
from netguard.trail.sink import StreamSink
from netguard.trail.verify import Report, verify
from netguard.trail.writer import Writer

CHAINS = [f"{pid}-{pid * 7919:x}" for pid in range(4242, 4254)]


class Shared:
    """One file that many processes write their chains to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def begin(self, chain: str, run: str = "r", **more: object) -> Writer:
        """A process that has begun its chain."""
        writer = Writer(StreamSink(self.fd), run, chain=chain)
        writer.write({"kind": "coverage", "event": "injection", "hooks": "on", **more})
        return writer

    def act(self, writer: Writer, port: int = 1) -> None:
        """One decision of that process."""
        writer.write({"kind": "connect", "verdict": "log", "rule": "r", "why": "w", "dst": {"port": port}})

    def verify(self) -> Report:
        return verify(str(self.path))

    def lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines(keepends=True)

    def put(self, lines: list[bytes]) -> Report:
        """What `verify` says of these lines instead."""
        self.path.write_bytes(b"".join(lines))
        return self.verify()


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path / "t.jsonl")


@pytest.fixture
def interleaved(shared: Shared) -> Shared:
    """Twelve chains between each other, which begin early and late; three of them are never closed."""
    chance = random.Random(1)
    waiting, running = list(CHAINS), [shared.begin(CHAINS[0])]
    del waiting[0]
    for port in range(300):
        if waiting and chance.random() < 0.1:
            running.append(shared.begin(waiting.pop(0)))
        shared.act(chance.choice(running), port)
    running += [shared.begin(chain) for chain in waiting]
    for writer in running[3:]:
        writer.close({"decisions": 1})
    return shared


def said(shared: Shared, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    parser = ArgumentParser()
    command.add_arguments(parser)
    status = command.run(parser.parse_args([str(shared.path), *options]))
    return status, capsys.readouterr().out.splitlines()


def test_interleaved_chains_are_whole(interleaved: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    report = interleaved.verify()
    assert (report.whole, report.first_bad, report.unclosed, report.lines) == (True, None, 3, 321)
    assert [chain.chain for chain in report.chains] == CHAINS
    assert sum([chain.lines for chain in report.chains]) == report.lines
    status, lines = said(interleaved, capsys=capsys)
    assert (status, lines[0]) == (0, "whole: 1 run, 12 chains, 321 lines, 3 chains without close")
    assert lines[1].startswith(f"no close line: {', '.join(CHAINS[:3])} (still running, killed")


def test_chains_that_all_end_are_closed(shared: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    for chain in CHAINS[:2]:
        shared.begin(chain).close({})
    assert said(shared, capsys=capsys)[1][0] == "whole: 1 run, 2 chains, 4 lines, closed"


def test_order_of_chains_among_each_other_proves_nothing(interleaved: Shared) -> None:
    """The lines of one chain stay in order; which of two processes wrote first, the file cannot tell."""
    by_chain = sorted(interleaved.lines(), key=lambda raw: json.loads(raw)["chain"])
    assert interleaved.put(by_chain).whole


def test_every_line_that_is_dropped_doubled_or_moved_is_found(interleaved: Shared) -> None:
    lines = interleaved.lines()
    last = {json.loads(raw)["chain"]: at for at, raw in enumerate(lines)}
    for at, raw in enumerate(lines):
        about = json.loads(raw)
        if at != last[about["chain"]]:
            bad = interleaved.put(lines[:at] + lines[at + 1 :]).first_bad
            assert bad
            assert bad[1].startswith(f"chain {about['chain']}: seq is ")
            moved = lines[:at] + lines[at + 1 : last[about["chain"]] + 1] + [raw] + lines[last[about["chain"]] + 1 :]
            assert interleaved.put(moved).first_bad
        else:  # a chain cut at its end is one without a close
            report = interleaved.put(lines[:at] + lines[at + 1 :])
            closed = about["kind"] == "close"
            assert (report.whole, report.unclosed) == (True, 3 + closed)
        assert interleaved.put([*lines[: at + 1], raw, *lines[at + 1 :]]).first_bad


def test_one_change_names_its_chain_and_leaves_the_others_whole(
    interleaved: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = interleaved.lines()
    at = next(at for at, raw in enumerate(lines) if b'"port":200' in raw)
    chain = json.loads(lines[at])["chain"]
    lines[at] = lines[at].replace(b'"port":200', b'"port":201')
    report = interleaved.put(lines)
    assert [each.chain for each in report.chains if each.bad] == [chain]
    after = next(n for n, raw in enumerate(lines[at + 1 :], at + 2) if json.loads(raw)["chain"] == chain)
    assert report.first_bad == (after, f"chain {chain}: prev does not match the line before")
    status, said_lines = said(interleaved, capsys=capsys)
    assert status == 1
    assert said_lines[1] == f"wrong in 1 of 12 chains: {chain}"


def test_two_runs_in_one_file_are_told_apart(shared: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    """The same process number, and even the same chain's name, in two sandboxes."""
    one, two = shared.begin("7-1f", "one"), shared.begin("7-1f", "two")
    for port in range(3):
        shared.act(one, port)
        shared.act(two, port)
    one.close({})
    two.close({})
    report = shared.verify()
    assert (report.runs, [(each.run, each.lines) for each in report.chains]) == (
        ("one", "two"),
        [("one", 5), ("two", 5)],
    )
    assert said(shared, capsys=capsys)[1][0] == "whole: 2 runs, 2 chains, 10 lines, closed"


def test_forked_chains_name_where_they_come_from(shared: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    shared.begin("7-1f").close({})
    shared.begin("8-2f", why="forked from 7-1f").close({})
    shared.begin("9-3f", why="forked from 6-0f").close({})
    report = shared.verify()
    assert [each.forked_from for each in report.chains] == ["", "7-1f", "6-0f"]
    assert (report.whole, report.orphans) == (True, 1)
    assert "forked from a chain that is not here: 1 chain" in said(shared, capsys=capsys)[1]


def test_json_lists_the_chains(interleaved: Shared, capsys: pytest.CaptureFixture[str]) -> None:
    status, (text,) = said(interleaved, "--json", capsys=capsys)
    shown = json.loads(text)
    assert (status, shown["runs"], len(shown["chains"])) == (0, ["r"], 12)
    first = shown["chains"][0]
    assert (first["run"], first["chain"], first["closed"], first["line"], first["bad"]) == (
        "r", CHAINS[0], False, 1, None,
    )  # fmt: skip


# What somebody else writes into the shared file


def forged(seq: int, prev: str, chain: str = CHAINS[0], **more: object) -> bytes:
    about = {"v": 1, "seq": seq, "prev": prev, "ts": "t", "run": "r", "chain": chain, "kind": "connect", **more}
    return line.encode(about) + b"\n"


def test_a_forged_line_that_claims_a_chain_is_found(interleaved: Shared) -> None:
    """Whether its forger guessed or read the chain: then the true next line no longer fits."""
    lines = interleaved.lines()
    own = [at for at, raw in enumerate(lines) if json.loads(raw)["chain"] == CHAINS[0]]
    at = own[1] + 1
    guessed = forged(2, "0" * 64)
    assert interleaved.put([*lines[:at], guessed, *lines[at:]]).first_bad == (
        at + 1,
        f"chain {CHAINS[0]}: prev does not match the line before",
    )
    read = forged(2, line.leaf(lines[own[1]][:-1]))
    assert interleaved.put([*lines[:at], read, *lines[at:]]).first_bad == (
        own[2] + 2,
        f"chain {CHAINS[0]}: seq is 2, 3 expected",
    )


def test_a_forged_line_behind_the_end_is_found_only_if_the_chain_was_closed(interleaved: Shared) -> None:
    """The reference says so: nobody is left whose next line would show it."""
    lines = interleaved.lines()
    for chain, closed in ((CHAINS[0], False), (CHAINS[-1], True)):
        last = [raw for raw in lines if json.loads(raw)["chain"] == chain][-1]
        more = forged(json.loads(last)["seq"] + 1, line.leaf(last[:-1]), chain)
        assert interleaved.put([*lines, more]).whole is not closed


def test_a_forged_whole_chain_cannot_be_told(interleaved: Shared) -> None:
    """The reference says so. What can be seen is that it is there, under which name, and from which line on."""
    interleaved.begin("9999-1").close({})
    report = interleaved.verify()
    assert report.whole
    assert (report.chains[-1].chain, report.chains[-1].line) == ("9999-1", 322)


FOREIGN = {
    "text": b"2026-11-27 collector: reconnected\n",
    "object": b'{"collector":"reconnected"}\n',
    "empty": b"\n",
    "long": b"x" * 70_000 + b"\n",
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_foreign_lines_are_a_fault(foreign: bytes, interleaved: Shared) -> None:
    lines = interleaved.lines()
    for at in (0, 100, len(lines)):
        bad = interleaved.put([*lines[:at], foreign, *lines[at:]]).first_bad
        assert bad
        assert bad[0] == at + 1


def torn_and_named(shared: Shared, later: int) -> list[bytes]:
    """The lines of a file in which one process's line was cut short; its next comes `later` lines of another after."""
    one, two = shared.begin("7-1f"), shared.begin("8-2f")
    os.write(shared.fd, b'{"v":1,"se\n')
    for port in range(later):
        shared.act(two, port)
    torn = {"kind": "tamper", "event": "trail.torn", "why": "w", "torn": line.torn_hash(b'{"v":1,"se')}
    one.write(torn)
    one.close({})
    two.close({})
    return shared.lines()


@pytest.mark.parametrize("later", [0, 1, 50])
def test_a_torn_line_may_be_accounted_for_lines_later(later: int, shared: Shared) -> None:
    """Other processes go on writing before the one whose disk was full comes to it."""
    lines = torn_and_named(shared, later)
    report = shared.verify()
    assert (report.whole, report.torn) == (True, 1)
    assert shared.put([raw for raw in lines if b"trail.torn" not in raw]).first_bad


def test_a_torn_line_is_accounted_for_once(shared: Shared) -> None:
    """Its like beside it was put there by somebody else."""
    lines = torn_and_named(shared, 3)
    assert shared.put([*lines[:3], lines[2], *lines[3:]]).first_bad == (
        4,
        "not a line of a trail, and the same as one before it",
    )
    assert shared.put([*lines, lines[2]]).first_bad == (
        len(lines) + 1,
        "not a line of a trail, and no tamper line accounts for it",
    )


@pytest.mark.parametrize("key", ["run", "chain"])
def test_over_long_names_are_refused(key: str, shared: Shared) -> None:
    """What is kept of each chain must not be as long as its writer likes."""
    about = {"v": 1, "seq": 0, "prev": "0" * 64, "run": "r", "kind": "coverage", key: "x" * (module.MAX_NAME + 1)}
    report = shared.put([line.encode(about) + b"\n"])
    assert report.first_bad == (1, f"{key} is not a name")
    assert report.chains == ()


def test_too_many_chains_are_a_complaint(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHAINS", 2)
    writers = [shared.begin(chain) for chain in CHAINS[:3]]
    for writer in writers:
        shared.act(writer)
    report = shared.verify()
    assert len(report.chains) == 2
    assert report.first_bad
    assert (report.first_bad[0], report.first_bad[1][:26]) == (3, "begins one chain too many:")


def test_many_unreadable_lines_are_a_complaint_and_not_kept(shared: Shared) -> None:
    shared.begin("7-1f").close({})
    check = module.Check(live=False)
    for number in range(5_000):
        check.take(b"foreign %d\n" % number)
    assert len(check.pending) == module.MAX_PENDING
    assert check.report().first_bad == (1, "not a line of a trail, and no tamper line accounts for it")


MEMORY = """
import resource, sys
from netguard.trail import encoder, verify
encoder.warm()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = verify.verify(sys.argv[1])
assert report.whole and len(report.chains) == int(sys.argv[2]), report.first_bad
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_thousands_of_chains_take_little_memory(tmp_path: Path) -> None:
    """Measured at the peak: at most 2 KB a chain, whatever stands on its lines."""
    count = 10_000
    with (tmp_path / "t.jsonl").open("wb") as file:
        for number in range(count):
            about = {"v": 1, "seq": 0, "prev": "0" * 64, "ts": "2026-11-22T10:00:00.000000Z", "run": "r" * 26}
            about |= {"chain": f"{number}-{number:x}", "kind": "coverage", "event": "injection", "why": "w" * 3_000}
            file.write(line.encode(about) + b"\n")
    words = [sys.executable, "-c", MEMORY, str(tmp_path / "t.jsonl"), str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1_024 / count < 2_048
