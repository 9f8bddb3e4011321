"""Numbers as people read them, in few columns: counts, bytes, times. Total on any integer, however large."""

from __future__ import annotations

UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


def duration(seconds: int) -> str:
    """`0:42`, `1:02:03`, `3 d 01:02`"""
    seconds = min(max(0, seconds), 10**9)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    if days:
        return f"{days} d {hours:02}:{rest // 60:02}"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def number(value: int) -> str:
    """A count in at most seven columns: `99,999`, `1,234 K`, `12 M`."""
    if value < 1_000_000:
        return f"{value:,}"
    for unit in "MGTP":
        if value < 1_000_000_000:
            return f"{value / 1_000_000:.1f} {unit}" if value < 100_000_000 else f"{value // 1_000_000} {unit}"
        value //= 1_000
    return "many"


def millis(value: float) -> str:
    """`0.15 ms`, `12 ms`, `3.4 s`"""
    if value >= 1_000:
        return f"{value / 1_000:.1f} s" if value < 1e6 else f"{value / 1_000:.0f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms" if value >= 0.001 else "0 ms"


def size(value: int) -> str:
    """Bytes in at most seven columns; nothing where there are none."""
    if value <= 0:
        return ""
    for least, unit in UNITS:
        if value >= least:
            return f"{value / least:.1f} {unit}" if value < least << 10 else "many"
    return f"{value} B"


def plural(count: int, one: str, many: str) -> str:
    """`1 decision`, `1,204 decisions`"""
    return f"{number(count)} {one if count == 1 else many}"
