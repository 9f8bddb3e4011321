"""The ways to write variables down: for a shell, a Dockerfile, a program. Every value comes back exactly as it was."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHONPATH = "PYTHONPATH"
#: What stands there already, behind ours. Not `:$PYTHONPATH`: unset it would leave an empty element, which Python takes
#: for the current folder.
REST = "${PYTHONPATH:+:$PYTHONPATH}"


def quoted_for_shell(value: str) -> str:
    """The value as one word of a POSIX shell."""
    return "'" + value.replace("'", "'\\''") + "'"


def quoted_for_docker(value: str) -> str:
    """The value as one word of an ENV instruction, which puts variables in and knows the backslash."""
    for letter in '\\"$':
        value = value.replace(letter, "\\" + letter)
    return f'"{value}"'


def shell(places: str, keep: bool, variables: Mapping[str, str]) -> str:
    """Lines to be evaluated or sourced.

    places: what PYTHONPATH becomes. keep: what it is where they are evaluated stays behind that.
    """
    path = quoted_for_shell(places) + (f'"{REST}"' if keep else "")
    lines = [f"export {name}={quoted_for_shell(value)}" for name, value in variables.items()]
    return "\n".join([f"export {PYTHONPATH}={path}", *lines]) + "\n"


def docker(places: str, keep: bool, variables: Mapping[str, str]) -> str:
    """Instructions of a Dockerfile."""
    path = quoted_for_docker(places)
    lines = [f"ENV {name}={quoted_for_docker(value)}" for name, value in variables.items()]
    return "\n".join([f"ENV {PYTHONPATH}={path[:-1]}{REST if keep else ''}\"", *lines]) + "\n"


def as_json(places: str, keep: bool, variables: Mapping[str, str]) -> str:
    """One object. It cannot say `keep`: whoever reads it puts what is there behind."""
    import json

    return json.dumps({PYTHONPATH: places, **variables}, indent=2) + "\n"


FORMATS = {"shell": shell, "docker": docker, "json": as_json}
