"""The rows of the one table: what is measured, in what unit, what it should come to, and why it does not where that is
known.

    aim     "+25"  at most so much more than bare        "x1.25"  at most so many times bare
            "<4"   at most so much in all                ">100,000"  at least so many
    known   why an aim is missed and stays so for now; a missed aim without that makes `make bench` fail
"""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.measures import (
    Measure,
    below_a_hook,
    case,
    decision,
    interpreter,
    lines,
    round_trip,
    run_of_nothing,
    supervisor_after,
    two_bare_lines,
)


class Row(NamedTuple):
    """One line of the table."""

    what: str
    unit: str
    measure: Measure
    aim: str = ""
    known: str = ""


LOADS = "who decides by itself loads twice as many modules as who asks, half a megabyte of code, and takes them down"
FAULTS = "the first act of a forked process copies each page of memory it touches, some 400 at 2.5 us"
TWO_LINES = "a logged connect is two lines, decision and outcome, each checked, hashed and written by itself"
HOOK = "an audit hook in Python that does nothing takes most of it; see the row below"
COLD = "a question costs some 0.1 ms where other work came between, and a GET takes 0.4 ms bare"
TWO_QUESTIONS = COLD + "; here are two, the request and its connection"
DISK = "a disk's own time varies by more than that; see the rows below for what the calls cost"
CACHES = "an index of 10,000 rules does not fit the processor's nearest caches, of which a busy machine leaves less"

SECTIONS: dict[str, tuple[Row, ...]] = {
    "start-up": (
        Row("an interpreter's start and end", "ms", interpreter(alone=False), "+5"),
        Row("a child interpreter", "ms", case("child", 60), "+5"),
        Row("starting a program that ends at once", "us", case("start", 200), "+300"),
        Row("netguard run empty.py", "ms", run_of_nothing, "+80"),
    ),
    "connect": (
        Row("allowed in silence, one CPU", "us", case("connect", 2_000, "PORT", pinned=True), "+25"),
        Row("allowed in silence", "us", case("connect", 2_000, "PORT"), "+100"),
        Row("logged, one CPU", "us", case("connect", 2_000, "PORT", rules="log", pinned=True), "+25", TWO_LINES),
        Row("logged", "us", case("connect", 2_000, "PORT", rules="log"), "+100"),
        Row("a bare round trip between two processes, one CPU", "us", round_trip(pinned=True)),
        Row("a bare round trip between two processes", "us", round_trip(pinned=False)),
    ),
    "requests": (
        Row("GET with requests, one CPU", "ms", case("requests_new", 300, "URL", pinned=True), "x1.25"),
        Row("GET with requests", "ms", case("requests_new", 300, "URL"), "x1.25"),
        Row("GET with requests, connection kept", "ms", case("requests_kept", 300, "URL"), "x1.05"),
        Row("GET with httpx", "ms", case("httpx_new", 60, "URL"), "x1.25"),
        Row("GET with httpx, connection kept", "ms", case("httpx_kept", 300, "URL"), "x1.05"),
        Row("GET with aiohttp", "ms", case("aiohttp_new", 300, "URL"), "x1.25", COLD),
        Row("GET with aiohttp, connection kept", "ms", case("aiohttp_kept", 300, "URL"), "x1.05"),
        Row("GET with urllib", "ms", case("urllib_new", 300, "URL"), "x1.25", TWO_QUESTIONS),
        Row("POST of 1 MB with requests", "ms", case("requests_new", 60, "URL", "1000000"), "x1.25"),
        Row("POST of 10 MB with requests", "ms", case("requests_new", 60, "URL", "10000000"), "x1.05"),
    ),
    "work that asks for nothing": (
        Row("plain Python", "us", case("cpu", 300), "x1.02"),
        Row("150 file operations on disk", "us", case("files", 200), "x1.02", DISK),
        Row("150 file operations in memory", "us", case("memory_files", 300), "x1.02", HOOK),
        Row("150 file operations in memory, below an empty hook", "us", below_a_hook("memory_files", 300)),
        Row("an audit event that nobody watches", "ns", case("event", 200), "+200"),
        Row("an audit event below an empty hook", "ns", below_a_hook("event", 200)),
    ),
    "one decision": (
        Row("10 rules", "us", decision(10), "<4"),
        Row("100 rules", "us", decision(100), "x1.3"),
        Row("1,000 rules", "us", decision(1_000), "x1.3"),
        Row("10,000 rules", "us", decision(10_000), "x1.3", CACHES),
        Row("100,000 rules", "us", decision(100_000)),
    ),
    "the trail": (
        Row("typical lines written", "lines/s", lines("typical"), ">100,000"),
        Row("lines written that each say something new", "lines/s", lines("fresh")),
        Row("lines verified", "lines/s", lines("verified"), ">100,000"),
    ),
    "memory": (
        Row("a guest, after 2,000 acts", "MiB", case("rss", 2_000), "+6"),
        Row("the supervisor, after 10,000 acts", "MiB", supervisor_after(10_000)),
        Row("the supervisor, after 100,000 acts", "MiB", supervisor_after(100_000), "+8"),
        Row("the supervisor, after 500,000 acts", "MiB", supervisor_after(500_000), "+8"),
    ),
    "without a supervisor": (
        Row("an interpreter's start and end", "ms", interpreter(alone=True), "+4", LOADS),
        Row("a child interpreter", "ms", case("child", 60, alone=True), "+5", LOADS),
        Row("starting a program that ends at once", "us", case("start", 200, alone=True), "+300"),
        Row("connect, allowed in silence", "us", case("connect", 2_000, "PORT", alone=True), "+13"),
        Row("connect, logged", "us", case("connect", 2_000, "PORT", rules="log", alone=True), "+30", TWO_LINES),
        Row("two bare lines, hashed and written", "us", two_bare_lines),
        Row("GET with requests", "ms", case("requests_new", 300, "URL", alone=True), "x1.25"),
        Row("a fork", "us", case("fork", 100, alone=True), "+200"),
        Row("a fork whose child does something", "us", case("forked", 100, alone=True), "+200", FAULTS),
        Row("150 file operations in memory", "us", case("memory_files", 300, alone=True), "x1.02", HOOK),
        Row("a guest's memory, after 2,000 acts", "MiB", case("rss", 2_000, alone=True), "+8"),
    ),
}  # fmt: skip
