"""Runs a project's own tests by pytest and writes what became of each, as `cpython.py` does: `project.py ORDER`."""

import json
import sys

import pytest


class Outcomes:
    def __init__(self, order):
        self.path = order["outcomes"]
        self.without = order["without"]
        self.met = ("passed", "")

    def say(self, test, outcome, why) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test, "outcome": outcome, "why": why}) + "\n")

    def pytest_collection_modifyitems(self, items) -> None:
        items[:] = [item for item in items if item.nodeid not in self.without]

    def pytest_runtest_logstart(self, nodeid) -> None:
        self.met = ("passed", "")
        self.say(nodeid, "hung", "")

    def pytest_runtest_logreport(self, report) -> None:
        if report.outcome != "passed" and self.met[0] == "passed":  # the first of set-up, call and tear-down
            self.met = (report.outcome, str(report.longrepr)[-4000:])

    def pytest_runtest_logfinish(self, nodeid) -> None:
        self.say(nodeid, *self.met)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    status = pytest.main(["-q", "-p", "no:cacheprovider", *wanted["only"]], plugins=[Outcomes(wanted)])
    sys.exit(0 if status == pytest.ExitCode.TESTS_FAILED else status)  # that is told test by test
