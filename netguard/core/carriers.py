"""The variables by which a program is made to run code before the guard, or in a place where the guard does not look.

Only a table and how one value is read: the shim names those that a start changes, and whoever decides believes it.
"""

from __future__ import annotations

#: name -> what it brings. A program that is started with another value than its starter had is told as not covered.
CARRIERS = {
    "GCONV_PATH": "the C library loads its character sets from there, as native code",
    "LD_AUDIT": "the loader runs this library in every program",
    "LD_LIBRARY_PATH": "the loader takes a program's own libraries from there",
    "LD_PRELOAD": "the loader runs this library in every program",
    "NETGUARD_CHANNEL": "another run's supervisor is asked: how `netguard run` starts its guest inside a guarded run",
    "OPENSSL_CONF": "OpenSSL loads the providers and engines that this file names, as native code",
    "OPENSSL_ENGINES": "OpenSSL loads engines from there, as native code",
    "OPENSSL_MODULES": "OpenSSL loads providers from there, as native code",
    "PYTHONHOME": "Python takes its standard library from there, which runs before the guard",
    "PYTHONPLATLIBDIR": "Python takes a part of its standard library from there",
    "PYTHONUSERBASE": "Python runs the .pth files there before the guard",
    "PYTHONWARNINGS": "Python imports the module of a category with a dot in it before the guard",
    "PYTHON_PRESITE": "a debug build of Python imports this module before the guard",
}

#: Those that native code reads whenever it likes, so that they bring code into the very process that sets them as well.
NATIVE = ("GCONV_PATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES")

#: Set, this one brings something only for some values.
WARNINGS = "PYTHONWARNINGS"


def brings(name: str, value: str) -> bool:
    """Whether the variable with this value brings code along. An empty one is as good as none, to each who reads it."""
    return bool(value) and (name != WARNINGS or any([dotted(part) for part in value.split(",")]))


def dotted(warning: str) -> bool:
    """Whether a filter as `-W` and PYTHONWARNINGS take it names a category that has to be imported."""
    return "." in (*warning.split(":", 3), "", "")[2]
