"""CPython's own tests end under guard as they do without it, but for those in a table of reasons.

`make test` has two short modules on one interpreter; `make soak` has them all, and the short ones on every interpreter
that comes with its tests.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys

import pytest

from tests.support.interpreters import Interpreter, interpreters
from tests.support.isolation import missing
from tests.transparency.differences import unexpected
from tests.transparency.running import GUARDED, GUEST, Suite, compare

#: Seconds each, some minutes each, and what takes longer than one would wait for on every interpreter.
QUICK = ("test.test_urllib2_localnet", "test.test_httplib")
SHORT = ("test.test_socket", "test.test_subprocess", "test.test_ssl", "test.test_signal", "test.test_threading")
LONG = ("test.test_asyncio", "multiprocessing_spawn", "multiprocessing_forkserver")

#: The one that runs these tests, not as the virtual environment that it may be: CPython's tests know none.
CURRENT = Interpreter(sys.version_info[:2], os.path.realpath(sys.executable))
OTHERS = interpreters()[1:]

SOAK = [(CURRENT, SHORT + LONG), *[(interpreter, QUICK + SHORT) for interpreter in OTHERS]]
CASES = [
    *[pytest.param(CURRENT, module, id=f"{CURRENT}-{module}") for module in QUICK],
    *[
        pytest.param(interpreter, module, id=f"{interpreter}-{module}", marks=pytest.mark.slow)
        for interpreter, modules in SOAK
        for module in modules
    ],
]


def lacks(python: str, module: str) -> str:
    """Why this interpreter cannot run the tests of a module; "" when it can. Many come without their tests."""
    needed = module if module.startswith("test.") else "test._test_multiprocessing"
    code = f"import importlib.util as u; print(bool(u.find_spec('test') and u.find_spec({needed!r})))"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, cwd=GUEST, check=False)
    return "" if done.stdout.strip() == "True" else f"{python} came without {needed}"


@pytest.mark.parametrize(("python", "module"), CASES)
def test_cpythons_own_tests_end_as_without_a_guard(python: Interpreter, module: str) -> None:
    faulthandler.cancel_dump_traceback_later()  # they take minutes, and have ends of their own
    reason = missing() or lacks(python.path, module)
    if reason:
        pytest.skip(reason)
    found = compare(Suite(python.path, module))
    assert found.tests
    for mode in GUARDED:
        differing = {one.test: one for one in found.differences[mode]}
        wrong = unexpected(list(differing), found.tests)
        lines = [f"{test} {what}\n{differing.get(test, '')}" for test, what in wrong.items()]
        assert not wrong, "\n".join([mode, *lines])
