"""The tests that end otherwise under guard, each with what it notices: a heading of explanation/transparency.md."""

from __future__ import annotations

from tests.transparency.running import RUN

#: Test, or class of tests -> heading.
KNOWN = {
    "test.test_subprocess.POSIXProcessTestCase.test_pass_fds_redirected": "One more descriptor",
    "test.test_subprocess.POSIXProcessTestCase.test_close_fds_when_max_fd_is_lowered": "One more descriptor",
    "test.test_cmd_line.CmdLineTest.test_large_PYTHONPATH": "Children that the guard does not cover",
}

#: And these behind the wall.
WALLED = {
    "test.test_audit.AuditTest.test_socket": "What the wall changes",
    **dict.fromkeys(
        [
            f"test.test_socket.{name}"
            for name in (
                "BasicUDPLITETest",
                "RecvmsgIntoRFC3542AncillaryUDPLITE6Test",
                "RecvmsgIntoUDPLITE6Test",
                "RecvmsgIntoUDPLITETest",
                "RecvmsgRFC3542AncillaryUDPLITE6Test",
                "RecvmsgUDPLITE6Test",
                "RecvmsgUDPLITETest",
                "SendmsgUDPLITE6Test",
                "SendmsgUDPLITETest",
                "UDPLITETimeoutTest",
            )
        ],
        "What the wall changes",
    ),
}


def known(mode: str) -> dict[str, str]:
    """What is known to differ in a mode."""
    return {**KNOWN, **WALLED} if mode == RUN else KNOWN


def unexpected(found: list[str], tests: frozenset[str], table: dict[str, str]) -> dict[str, str]:
    """What is not as a table says: tests that differ and are not in it, and what of it does not differ."""
    news = {test: "differs, and is in no table" for test in found if not any(covers(name, test) for name in table)}
    for name in table:
        if any(covers(name, test) for test in tests) and not any(covers(name, test) for test in found):
            news[name] = "does not differ any more"
    return news


def covers(name: str, test: str) -> bool:
    """Whether a row's name is a test's, or its class's."""
    return test == name or test.startswith(name + ".")
