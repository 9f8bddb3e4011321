"""The import finder: what must be changed in a module is changed the moment that module is loaded, and not before.

It stands first on `sys.meta_path`, lets the others find, and runs our change after the loader's. It works on module
objects, so a reload, an evicted module and a second copy are changed as well. Nothing is imported on netguard's
account.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Change = Callable[[ModuleType], None]


class Loader:
    """Another's loader, with a change after it. Takes itself out before the module can see it."""

    __slots__ = ("change", "loader")

    def __init__(self, loader: object, change: Change) -> None:
        self.loader = loader
        self.change = change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Returns what the loader returns."""
        return self.loader.create_module(spec)  # type: ignore[attr-defined, no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module as if we were not there, then the change."""
        module.__loader__ = self.loader  # type: ignore[assignment]
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader  # type: ignore[assignment]
        self.loader.exec_module(module)  # type: ignore[attr-defined]
        self.change(module)


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
        return None


def install(changes: dict[str, Change]) -> None:
    """Changes what is loaded already, and puts the finder in front for the rest."""
    for name, change in changes.items():
        module = sys.modules.get(name)
        if module is not None:
            change(module)
    sys.meta_path.insert(0, Finder(changes))
