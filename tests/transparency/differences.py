"""The tests that end otherwise under guard, each with what it notices: a heading of explanation/transparency.md."""

from __future__ import annotations

#: test -> heading.
KNOWN = {
    "test.test_subprocess.POSIXProcessTestCase.test_pass_fds_redirected": "One more descriptor",
    "test.test_subprocess.POSIXProcessTestCase.test_close_fds_when_max_fd_is_lowered": "One more descriptor",
    "test.test_cmd_line.CmdLineTest.test_large_PYTHONPATH": "Children that the guard does not cover",
}


def unexpected(found: list[str], tests: frozenset[str]) -> dict[str, str]:
    """What is not as the table says: tests that differ and are not in it, and those of it that do not differ."""
    news = {test: "differs, and is in no table" for test in found if test not in KNOWN}
    return {**news, **{test: "does not differ any more" for test in KNOWN if test in tests and test not in found}}
