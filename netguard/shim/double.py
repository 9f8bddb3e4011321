"""Gives a function of ours the looks and the ways of the one in C that it stands for.

A function of Python's that lies in a class becomes a method of its instances; a built-in one does not, since it is
bound already, to its module. So ours is bound as well, to what stands for the module, and takes that first.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Home:
    """What a double is bound to: printed and pickled as its module, so that a pickle leads to who stands there then."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> object:
        return getattr(sys.modules.get(self.name), name)

    def __repr__(self) -> str:
        return f"<module {self.name!r}>"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return sys.modules["builtins"].__import__, (self.name,)


#: What binds. `types`, which has a name for it, would have to be loaded first.
_bound: Callable[[Callable[..., object], Home], Callable[..., object]] = type(Home("").__reduce__)


def double(function: Callable[..., object], original: Callable[..., object]) -> Callable[..., object]:
    """Returns the function, whose first argument is of no use to it, in the other's place."""
    name, module = original.__name__, original.__module__
    dress(function, name, name, module, original.__doc__)
    return _bound(function, Home(module))


def dress(function: Callable[..., object], name: str, place: str, module: str, doc: str | None) -> None:
    """Gives a function what is printed of another, and where a pickle of it leads."""
    function.__name__, function.__qualname__, function.__module__, function.__doc__ = name, place, module, doc
    function.__annotations__ = {}


def stands(function: Callable[..., object], there: object) -> bool:
    """Whether what is there is this function already, or one like it of another time."""
    return getattr(there, "__code__", None) is function.__code__
