"""What is seen of a supervisor from within while it works: how much each of its tables holds, and where it stands.

It changes nothing: once a second, behind the wall's own tick, it writes one line to a file. On SIGXCPU, which nothing
else uses, the stacks of all threads go to a file beside it.
"""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

ROOT = Path(__file__).parents[2]

#: What has a size.
TABLES = (dict, list, set, frozenset, deque, bytearray)

#: What the supervisor's process runs before it starts: `running(fault=…)`.
ENTRY = f"sys.path.insert(0, {str(ROOT)!r}); from tests.soak.observer import observe; observe({{!r}}); sys.path.pop(0)"


def observe(path: str) -> None:
    """Has the supervisor of this process observed. Its lines go to `path`, its stacks to `path`.stacks."""
    from netguard.supervisor.wall import Wall

    stacks = open(path + ".stacks", "a")  # noqa: SIM115 - for as long as the process is there
    faulthandler.register(signal.SIGXCPU, file=stacks, all_threads=True)
    lines = open(path, "a", buffering=1)  # noqa: SIM115 - likewise
    tick = Wall.tick

    def told(self: Wall) -> None:
        tick(self)
        line = {"at": time.monotonic(), "blocks": sys.getallocatedblocks(), "tables": dict(sizes(self.loop))}
        line["decisions"] = self.loop.session.decisions
        lines.write(json.dumps(line) + "\n")

    Wall.tick = told  # type: ignore[method-assign]


def sizes(root: object) -> Iterator[tuple[str, int]]:
    """The name and size of each table that can be reached from an object through netguard's own, and of its modules."""
    todo: list[tuple[str, Any]] = [("loop", root)]
    seen = {id(root)}
    for name, thing in todo:  # grows on the way
        for attribute, value in attributes(thing):
            if isinstance(value, TABLES):
                yield f"{name}.{attribute}", len(value)
            elif is_ours(value) and id(value) not in seen:
                seen.add(id(value))
                todo.append((f"{name}.{attribute}", value))
    for name, module in list(sys.modules.items()):
        if name.startswith("netguard."):
            for attribute, value in list(vars(module).items()):
                if isinstance(value, TABLES) and not attribute.startswith("__") and not attribute.isupper():
                    yield f"{name}:{attribute}", len(value)


def is_ours(value: object) -> bool:
    """Whether it is looked into."""
    own = value if isinstance(value, FunctionType | MethodType) else type(value)
    return str(own.__module__).startswith("netguard.")


def attributes(thing: object) -> Iterator[tuple[str, Any]]:
    """An object's own, in slots and in its dictionary; of a function what it closes over, of a method whose it is."""
    if isinstance(thing, FunctionType):
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
            yield name, cell.cell_contents
        return
    if isinstance(thing, MethodType):
        yield "self", thing.__self__
        return
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = getattr(kind, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, name):
                yield name, getattr(thing, name)
