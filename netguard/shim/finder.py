"""The import finder: what must be changed in a module is changed the moment that module is loaded, and not before.

It stands first on `sys.meta_path`, lets the others find, and runs our change after the loader's. It works on module
objects, so a reload, an evicted module and a second copy are changed as well. Nothing is imported on netguard's
account.

A guest may take the finder out of `sys.meta_path`; the hook then hears of the import and puts it back, and refuses a
copy of the native ones that comes around it (`load`).
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec
from _thread import _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Change = Callable[[ModuleType], None]

#: The native modules that have been loaded and changed.
_kept: dict[str, ModuleType] = {}

#: Per thread: the native module that a Loader of ours is making right now.
_making = _local()


class Loader:
    """Another's loader, with a change after it. Takes itself out before the module can see it."""

    __slots__ = ("change", "loader")

    def __init__(self, loader: object, change: Change) -> None:
        self.loader = loader
        self.change = change

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)  # `python -m` and its like ask a loader for the code

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Returns what the loader returns, or the one there was: a second `_socket` would have a class of its own."""
        if spec.name in _kept:
            return _kept[spec.name]
        _making.spec = spec
        try:
            return self.loader.create_module(spec)  # type: ignore[attr-defined, no-any-return]
        finally:
            _making.spec = None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module as if we were not there, then the change."""
        module.__loader__ = self.loader  # type: ignore[assignment]
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader  # type: ignore[assignment]
        if module in _kept.values():
            return
        if module.__name__ in NATIVE:
            _kept[module.__name__] = module
        self.loader.exec_module(module)  # type: ignore[attr-defined]
        self.change(module)


class Nothing:
    """The loader of `netguard` for a guest that does not have it installed: an empty module for `Denied` to lie in.

    Without one, a denial could not be pickled on its way back from a worker process.
    """

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """A module like any other."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Leaves it empty."""


class Finder:
    """Answers for the modules in its table, through the finders behind it."""

    __slots__ = ("changes",)

    def __init__(self, changes: dict[str, Change]) -> None:
        self.changes = changes

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns the others' spec with our loader in it, or None for a module that is not ours to change."""
        change = self.changes.get(name) if type(name) is str else None
        if change is None:
            return None
        for finder in list(sys.meta_path):
            if type(finder).__module__ == __name__:
                continue  # ourselves, or another copy of us where the path names the starter twice: no going in circles
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Loader(spec.loader, change)  # type: ignore[assignment]
                return spec
        return ModuleSpec(name, Loader(Nothing, change)) if name == "netguard" else None  # type: ignore[arg-type]

    def front(self, name: object) -> None:
        """Stands first again before one of our modules is looked for."""
        if type(name) is str and name in self.changes:
            places = sys.meta_path
            if type(places) is list and (not places or places[0] is not self):
                places[:] = [self, *[place for place in places if place is not self]]


def made_here(name: str) -> bool:
    """Whether a native module that must be changed is being made by a Loader of ours; others need not be."""
    if name.rpartition(".")[2] not in NATIVE:
        return True
    return getattr(getattr(_making, "spec", None), "name", None) == name


#: Modules whose functions raise no event, or raise it too late: a copy that is not changed must not come to be.
NATIVE = ("_socket", "_posixsubprocess")


def install(changes: dict[str, Change]) -> Finder:
    """Changes what is loaded already, and puts the finder in front for the rest."""
    for name, change in changes.items():
        module = sys.modules.get(name)
        if module is not None:
            change(module)
            if name in NATIVE:
                _kept[name] = module
    found = Finder(changes)
    sys.meta_path.insert(0, found)
    return found
