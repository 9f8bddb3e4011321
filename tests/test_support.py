"""The tests' own tools: a server that counts wrongly, or a namespace that leaks, proves denials that never were."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.dns import DnsServer, Question
from tests.support.echo import TcpEcho, UdpEcho, UnixEcho
from tests.support.interpreters import Interpreter, interpreters
from tests.support.isolation import ROOT, SUPPORT, Namespace, isolated, missing
from tests.support.kernel import seccomp_missing
from tests.support.web import HttpServer

#: The root of a query for the A record of a.example: header, name, type and class.
QUERY = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + b"\1a\7example\0" + b"\0\1\0\1"

FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).status)"


def test_http_server_records_what_it_was_sent(http_server: HttpServer) -> None:
    request = urllib.request.Request(http_server.url + "/v1?q=1", data=b"abc", headers={"X-Key": "1"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read() == b'{"method": "POST", "path": "/v1?q=1", "size": 3}'
    hit = http_server.hits[0]
    assert (hit.method, hit.path, hit.body, hit.headers["x-key"]) == ("POST", "/v1?q=1", b"abc", "1")
    assert http_server.connections == 1


def test_connections_count_one_that_was_never_accepted(http_server: HttpServer) -> None:
    with socket.create_connection(http_server.address):
        assert http_server.connections == 1
    assert http_server.hits == []


def test_slow_path_answers_once_released(http_server: HttpServer) -> None:
    with socket.create_connection(http_server.address) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        http_server.release.set()
        assert client.recv(12) == b"HTTP/1.1 200"


def test_https_server_is_trusted_by_its_authority_alone(https_server: HttpServer, authority: Authority) -> None:
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    with urllib.request.urlopen(https_server.url, timeout=10, context=trusting) as answer:
        assert answer.status == 200
    with pytest.raises(OSError, match="certificate verify failed"):
        urllib.request.urlopen(https_server.url, timeout=10)
    assert len(https_server.hits) == 1


def test_echoes_say_back_and_remember(tcp_echo: TcpEcho, udp_echo: UdpEcho, unix_echo: UnixEcho) -> None:
    for server in (tcp_echo, udp_echo, unix_echo):
        with socket.socket(server.socket.family, server.socket.type) as client:
            client.settimeout(10)
            client.connect(server.address)
            client.send(b"hello")
            assert client.recv(10) == b"hello"
        assert server.received == [b"hello"]


@pytest.mark.parametrize(
    ("names", "code", "end"),
    [
        pytest.param({"a.example": ["192.0.2.7"]}, 0, b"\0\4\xc0\0\2\7", id="known"),
        pytest.param({"*": ["192.0.2.7"]}, 0, b"\0\4\xc0\0\2\7", id="any-other"),
        pytest.param({"a.example": ["2001:db8::1"]}, 0, QUERY[-9:], id="no-record-of-that-type"),
        pytest.param({}, 3, QUERY[-9:], id="no-such-name"),
    ],
)
def test_dns_server_answers(dns_server: DnsServer, names: dict[str, list[str]], code: int, end: bytes) -> None:
    dns_server.names = names
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(QUERY, dns_server.address)
        answer = client.recv(512)
    assert answer[:2] == QUERY[:2]
    assert answer[3] & 0x0F == code
    assert answer.endswith(end)
    assert dns_server.questions == [Question("a.example", "A")]


def test_interpreters_start_with_the_current_one() -> None:
    assert interpreters()[0] == Interpreter(sys.version_info[:2], sys.executable)
    assert len({found.version for found in interpreters()}) == len(interpreters())


def test_each_interpreter_is_the_version_it_says(interpreter: Interpreter) -> None:
    said = subprocess.run([interpreter.path, "-V"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"Python {interpreter}.")


def test_namespace_answers_for_the_whole_internet(netns: Namespace) -> None:
    """The control for every test that says nothing left: unguarded, an address and a name outside are reached."""
    names = netns.open("dns", names={"*": ["203.0.113.9"]}, port=53)
    web = netns.open("http", host="0.0.0.0", port=80)
    for url in ("http://169.254.169.254/", "http://evil.example/"):
        subprocess.run(netns.command([sys.executable, "-c", FETCH, url]), capture_output=True, check=True)
    assert [hit["headers"]["host"] for hit in web.seen()["hits"]] == ["169.254.169.254", "evil.example"]
    assert ["evil.example", "A"] in names.seen()["questions"]


def test_namespace_serves_tls(netns: Namespace) -> None:
    netns.open("dns", names={"api.example.test": ["127.0.0.1"]}, port=53)
    web = netns.open("https", names=["api.example.test"], port=443)
    command = netns.command([sys.executable, "-c", FETCH, "https://api.example.test/"])
    subprocess.run(command, env={**os.environ, "SSL_CERT_FILE": web.ca_file}, check=True, capture_output=True)
    assert len(web.seen()["hits"]) == 1


def test_namespace_keeps_the_working_directory(netns: Namespace) -> None:
    done = subprocess.run(netns.command(["pwd"]), cwd="/usr", capture_output=True, text=True, check=True)
    assert done.stdout == "/usr\n"


def test_namespace_says_what_a_server_could_not_do(netns: Namespace) -> None:
    netns.open("tcp", port=5000)
    with pytest.raises(RuntimeError, match="Address already in use"):
        netns.open("tcp", port=5000)


def test_isolated_command_reaches_no_address_outside() -> None:
    if missing():
        pytest.skip(missing())
    command = isolated([sys.executable, "-c", FETCH, "http://192.0.2.1/"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Network is unreachable" in done.stderr


def test_inside_refuses_the_hosts_own_network() -> None:
    if [name for _, name in socket.if_nameindex()] == ["lo"]:
        pytest.skip("a network interface besides lo")
    script = os.path.join(SUPPORT, "inside.py")
    done = subprocess.run([sys.executable, "-I", script, "--", "true"], capture_output=True, text=True, check=False)
    assert "not a fresh network namespace" in done.stderr


KERNEL_SKIP = """
import pytest
@pytest.mark.kernel
def test_wall():
    pytest.skip("not today")
@pytest.mark.kernel
@pytest.mark.xfail(reason="known")
def test_known():
    raise AssertionError
def test_other():
    pytest.skip("elsewhere")
"""


def test_kernel_test_fails_when_it_skips_though_the_kernel_can(tmp_path: Path) -> None:
    if seccomp_missing():
        pytest.skip(seccomp_missing())
    tmp_path.joinpath("conftest.py").write_text("from tests.conftest import pytest_runtest_makereport\n")
    tmp_path.joinpath("test_it.py").write_text(KERNEL_SKIP)
    tmp_path.joinpath("pytest.ini").write_text(f"[pytest]\nmarkers = kernel\npythonpath = {ROOT}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "test_wall skipped, yet this kernel offers seccomp notification" in done.stdout
    assert "1 failed, 1 skipped, 1 xfailed" in done.stdout
