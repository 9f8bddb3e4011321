"""What the figures were taken on: a figure without its machine says nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def described() -> dict[str, str]:
    """The machine, a word of it a line."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    info = text_of("/proc/cpuinfo")
    return {
        "CPU": f"{cpus} of {line_of(info, 'model name') or platform.machine()}",
        "clock": f"{float(line_of(info, 'cpu MHz') or 0) / 1000:.1f} GHz, governor {governor()}",
        "virtual": "yes, by the flag `hypervisor`" if "hypervisor" in line_of(info, "flags").split() else "not told",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def load() -> str:
    """How busy the machine is by itself: processes that wanted to run in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def governor() -> str:
    return text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or "not told"


def line_of(info: str, name: str) -> str:
    """What /proc/cpuinfo says of the first CPU under a name."""
    for line in info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def text_of(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
