"""Tests that end alike under a guard, and tests that do not: what the runner must tell apart."""

import json
import os
import sys
import time
import unittest


def is_guarded() -> bool:
    with open("/proc/self/environ", encoding="utf-8", errors="replace") as file:
        return "NETGUARD_" in file.read()


class Noticing(unittest.TestCase):
    def test_that_passes(self) -> None:
        assert sys.version

    @unittest.skip("as ever")
    def test_that_is_skipped(self) -> None:
        self.fail()

    def test_that_fails(self) -> None:
        self.fail("as ever")

    def test_that_fails_under_guard(self) -> None:
        assert not is_guarded()

    def test_that_fails_under_guard_when_not_alone(self) -> None:
        with open(sys.argv[1], encoding="utf-8") as file:
            assert json.load(file)["only"] or not is_guarded()


class Hanging(unittest.TestCase):
    def test_1_hangs(self) -> None:
        time.sleep(600)

    def test_2_kills(self) -> None:
        os.abort()

    def test_3_passes(self) -> None:
        assert sys.version
