"""CPython's own tests end under guard as they do without it, but for those in a table of reasons.

`make test` has a few short modules on one interpreter; `make soak` has them all, and those that the guard is nearest to
on every interpreter that comes with its tests.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys

import pytest

from tests.support.interpreters import Interpreter, interpreters
from tests.support.isolation import missing
from tests.transparency.differences import known, unexpected
from tests.transparency.running import GUARDED, Suite, compare

#: Seconds each: `make test` has these.
QUICK = ("test_urllib2_localnet", "test_httplib", "test_os", "test_posix")

#: Up to a minute each: on every interpreter.
SHORT = ("test_socket", "test_subprocess", "test_ssl", "test_signal", "test_threading", "test_cmd_line")

#: Clients, servers and what starts a Python; then what takes many minutes. On one interpreter.
MORE = tuple(
    """
    test_socketserver test_select test_poll test_epoll test_selectors test_ftplib test_smtplib test_poplib test_imaplib
    test_xmlrpc test_httpservers test_wsgiref test_audit test_site test_runpy test_pdb test_pty test_venv
    test_faulthandler test_logging test_fork1 test_wait3 test_wait4
    """.split()
)
LONG = ("test_asyncio", "multiprocessing_fork", "multiprocessing_spawn", "multiprocessing_forkserver")

#: The one that runs these tests, not as the virtual environment that it may be: CPython's tests know none.
CURRENT = Interpreter(sys.version_info[:2], os.path.realpath(sys.executable))
OTHERS = interpreters()[1:]

SOAK = [(CURRENT, SHORT + MORE + LONG), *[(python, QUICK + SHORT) for python in OTHERS]]
CASES = [
    *[pytest.param(CURRENT, module, id=f"{CURRENT}-{module}") for module in QUICK],
    *[
        pytest.param(python, module, id=f"{python}-{module}", marks=pytest.mark.slow)
        for python, modules in SOAK
        for module in modules
    ],
]


def named(module: str) -> str:
    """As an interpreter imports it. Those of multiprocessing are files of ours, which some releases do not install."""
    return module if module in LONG[1:] else "test." + module


def lacks(python: str, module: str) -> str:
    """Why this interpreter cannot run the tests of a module; "" when it can. Many come without their tests."""
    needed = "test._test_multiprocessing" if module in LONG[1:] else named(module)
    code = f"import importlib.util as u; print(bool(u.find_spec('test') and u.find_spec({needed!r})))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return "" if done.stdout.strip() == "True" else f"{python} came without {needed}"


@pytest.mark.parametrize(("python", "module"), CASES)
def test_cpythons_own_tests_end_as_without_a_guard(python: Interpreter, module: str) -> None:
    faulthandler.cancel_dump_traceback_later()  # they take minutes, and have ends of their own
    reason = missing() or lacks(python.path, module)
    if reason:
        pytest.skip(reason)
    found = compare(Suite(python.path, named(module)))
    assert found.tests
    for mode in GUARDED:
        differing = {one.test: one for one in found.differences[mode]}
        wrong = unexpected(list(differing), found.tests, known(mode))
        lines = [f"{test} {what}\n{differing.get(test, '')}" for test, what in wrong.items()]
        assert not wrong, "\n".join([mode, *lines])
