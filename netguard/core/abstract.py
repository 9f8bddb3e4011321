"""Abstract names of unix sockets as text, one for each, and back: rules compare them, and they may hold any byte.

A NUL is written `\\0` and a backslash `\\\\`, so that no name can be taken for another. Pure and total.
"""

from __future__ import annotations


def shown(name: str) -> str:
    """`@name`, for the name behind the NUL that every abstract one begins with."""
    return "@" + name.replace("\\", "\\\\").replace("\0", "\\0")


def meant(text: str) -> str:
    """The name of `@name`, with the NUL that it begins with. What is no escape stands for itself."""
    parts = text[1:].split("\\\\")
    return "\0" + "\\".join([part.replace("\\0", "\0") for part in parts])
