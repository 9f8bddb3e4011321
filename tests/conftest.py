"""Fixtures for all tests, and the rule that a `kernel` test may skip only where the kernel cannot do it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.authority import Authority
from tests.support.dns import DnsServer
from tests.support.echo import TcpEcho, UdpEcho, UnixEcho
from tests.support.interpreters import Interpreter, interpreters
from tests.support.isolation import Namespace, missing
from tests.support.kernel import seccomp_missing
from tests.support.web import HttpServer

# No deadline: the machine that runs the tests is shared, and a slow moment is not a wrong answer.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `interpreter` runs once on each version a guest may have."""
    if "interpreter" in metafunc.fixturenames:
        metafunc.parametrize("interpreter", interpreters(), ids=str)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a `kernel` test that skipped although the kernel offers what it needs: a wall nobody tested is no wall."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")  # an expected failure counts as skipped too
    if skipped and item.get_closest_marker("kernel") and not seccomp_missing():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped, yet this kernel offers seccomp notification: {call.excinfo}"
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a `kernel` test, naming what is missing."""
    if item.get_closest_marker("kernel") and seccomp_missing():
        pytest.skip(seccomp_missing())


@pytest.fixture
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """One CPython of those on this machine; see `pytest_generate_tests`."""
    found: Interpreter = request.param
    return found


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A namespace in which every address is this machine's; skips, naming what is missing, where none can be made."""
    if missing():
        pytest.skip(missing())
    with Namespace(anywhere=True) as space:
        yield space


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that every TLS server of this run has its certificate from."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    """An HTTP server on 127.0.0.1."""
    with HttpServer() as server:
        yield server


@pytest.fixture
def https_server(authority: Authority) -> Iterator[HttpServer]:
    """An HTTPS server on 127.0.0.1, for `localhost` and the loopback addresses."""
    with HttpServer(authority=authority) as server:
        yield server


@pytest.fixture
def tcp_echo() -> Iterator[TcpEcho]:
    """A TCP server on 127.0.0.1 that echoes."""
    with TcpEcho() as server:
        yield server


@pytest.fixture
def udp_echo() -> Iterator[UdpEcho]:
    """A UDP server on 127.0.0.1 that echoes."""
    with UdpEcho() as server:
        yield server


@pytest.fixture
def unix_echo(tmp_path: Path) -> Iterator[UnixEcho]:
    """A unix stream server that echoes."""
    with UnixEcho(str(tmp_path / "echo")) as server:
        yield server


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """A DNS server on 127.0.0.1, at a port of its own, that knows no name until the test says so."""
    with DnsServer({}) as server:
        yield server
