"""Runs tests of one of CPython's own modules and writes what became of each: `cpython.py ORDER`.

ORDER: a file with a JSON object. module; outcomes, a file that gets one JSON line a test; only, the names of the tests
to run, or none for all; without, names to leave.

Read by every Python from 3.9 on, by ones without a guard too: it may not import anything of the project's.
"""

import faulthandler
import json
import sys
import unittest
from collections.abc import Iterator

#: What makes a test run at all: what it needs and the regular runs of CPython's own builders have. Not among them are
#: big files and what takes minutes.
RESOURCES = ["network", "subprocess", "cpu"]

#: Tests that may hang, guarded or not: those of vsock without a hypervisor, and one that ends a pool of threads.
HANGING = ("VSOCK", "WITHTHREADSTESTPOOL.TEST_TERMINATE")


class Outcomes(unittest.TestResult):
    """Writes a line when a test begins and one when it has ended. The file is open only as long as it takes."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.met = ("passed", "")

    def say(self, test, outcome, why) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test.id(), "outcome": outcome, "why": why}) + "\n")

    def startTest(self, test) -> None:
        super().startTest(test)
        self.met = ("passed", "")
        self.say(test, "hung", "")

    def stopTest(self, test) -> None:
        self.say(test, *self.met)
        super().stopTest(test)

    def meet(self, test, outcome, why) -> None:
        if isinstance(test, unittest.TestCase):
            self.met = (outcome, why)
        else:  # a class's or a module's set-up: no test has begun
            self.say(test, outcome, why)

    def addError(self, test, err) -> None:
        self.meet(test, "error", self._exc_info_to_string(err, test))
        super().addError(test, err)

    def addFailure(self, test, err) -> None:
        self.meet(test, "failed", self._exc_info_to_string(err, test))
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err) -> None:
        if err is not None:
            self.meet(test, "failed", self._exc_info_to_string(err, test))
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason) -> None:
        self.meet(test, "skipped", reason)
        super().addSkip(test, reason)

    def addExpectedFailure(self, test, err) -> None:
        self.meet(test, "failed as expected", "")
        super().addExpectedFailure(test, err)

    def addUnexpectedSuccess(self, test) -> None:
        self.meet(test, "passed unexpectedly", "")
        super().addUnexpectedSuccess(test)


def flat(suite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


def wanted(test, order) -> bool:
    name = test.id()
    if any(part in name.upper() for part in HANGING):
        return False
    return name not in order["without"] and (not order["only"] or name in order["only"])


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    faulthandler.enable()
    from test import support

    support.use_resources = RESOURCES
    tests = unittest.defaultTestLoader.loadTestsFromName(order["module"])
    unittest.TestSuite([test for test in flat(tests) if wanted(test, order)]).run(Outcomes(order["outcomes"]))


if __name__ == "__main__":  # not in the processes that multiprocessing starts
    main()
