"""What is looked up for a question: real files, links, programs and listeners."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from netguard.core.acts import NO_FACTS, Facts
from netguard.core.leases import Leases
from netguard.core.process import Process
from netguard.core.question import Malformed, Question
from netguard.supervisor.facts import World
from tests.playbook import CODE, heard

PROCESS = Process(os.getpid(), 1, "ci", "/usr/bin/python3", {"cwd": "/"})
GONE = Process(2**22 + 1, 1, "ci", "", {"cwd": "/usr"})


def question(kind: str, proto: str = "", host: str = "", port: str = "", path: str = "", program: str = "") -> Question:
    return heard("ask", kind, "an.event", proto, host, port, path, program, *CODE)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Leases(), f"{tmp_path}/one:{tmp_path}/two:/nowhere")


def look(world: World, asked: Question, process: Process = PROCESS) -> Facts:
    return world.look(asked, process, 50.0)


def test_address_comes_with_the_names_it_was_given_for(world: World) -> None:
    world.leases.give((4, 0x0A000001), "a.example", 49.0)
    found = look(world, question("connect", "tcp", "10.0.0.1", "80"))
    assert (found.address, found.names, found.own) == ((4, 0x0A000001), ("a.example",), False)


@pytest.mark.parametrize("port", ["80", "", "x", "٣", "999999"])
@pytest.mark.parametrize("host", ["", "a.example", "\ud800"])
def test_host_that_is_no_address_is_nowhere(world: World, host: str, port: str) -> None:
    assert look(world, question("connect", "tcp", host, port)) is NO_FACTS


@pytest.mark.parametrize("kind", ["connect", "http"])
def test_run_s_own_server_is_known(world: World, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asked = question(kind, "tcp", "127.0.0.1", str(port), f"http://127.0.0.1:{port}/" if kind == "http" else "")
        assert not look(world, asked).own
        world.listening.show(os.getpid(), server.fileno())
        assert look(world, asked).own
        assert look(world, asked).address == (4, 0x7F000001)


def test_nobody_looks_for_own_servers_that_no_rule_asks_for() -> None:
    world = World(Leases(), "", asks_own=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.listening.show(os.getpid(), server.fileno())
        assert not look(world, question("connect", "tcp", "127.0.0.1", str(server.getsockname()[1]))).own


@pytest.mark.parametrize("port", ["", "x", "٣", "-1", "99999999"])
def test_port_that_is_none_is_nobody_s_own(world: World, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.listening.show(os.getpid(), server.fileno())
        assert not look(world, question("connect", "tcp", "127.0.0.1", port)).own


def test_place_to_listen_at_is_no_listener_yet(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.listening.show(os.getpid(), server.fileno())
        found = look(world, question("listen", "tcp", "127.0.0.1", str(server.getsockname()[1])))
    assert (found.address, found.own) == ((4, 0x7F000001), False)


def test_request_s_address_comes_with_its_names(world: World) -> None:
    world.leases.give((4, 0x0A000001), "a.example", 49.0)
    assert look(world, question("http", path="http://10.0.0.1/x")).names == ("a.example",)
    assert look(world, question("http", path="http://a.example/x")) is NO_FACTS
    assert look(world, question("http", path="file:///etc/passwd")) is NO_FACTS


def test_url_that_cannot_be_read_is_malformed(world: World) -> None:
    with pytest.raises(Malformed):
        look(world, question("http", path="http://[::1"))


def test_unix_socket_is_where_its_links_lead(world: World, tmp_path: Path) -> None:
    path, link = tmp_path / "sock", tmp_path / "link"
    link.symlink_to(path)
    asked = question("connect", "unix", path=str(link))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        found = look(world, asked)
        assert (found.path, found.own) == (str(path), False)
        world.listening.show(os.getpid(), server.fileno())
        assert look(world, asked).own


@pytest.mark.parametrize("path", ["@abstract", "", "@/link"])
def test_abstract_name_is_its_own_place(world: World, path: str) -> None:
    found = look(world, question("connect", "unix", path=path))
    assert (found.path, found.own) == (path, False)


@pytest.mark.parametrize("kind", ["file", "native"])
def test_path_is_where_its_links_lead(world: World, tmp_path: Path, kind: str) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert look(world, question(kind, path=str(tmp_path / "link"))).path == "/etc/passwd"
    assert look(world, question(kind, path="libc.so.6")).path == "libc.so.6"
    assert look(world, question(kind, path="/a/\ud800")).path == "/a/\ud800"
    assert look(world, question(kind)) is NO_FACTS


def make_program(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_program_is_the_first_on_the_path_that_runs(world: World, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "tool").mkdir()  # a folder of that name does not run
    real = make_program(tmp_path / "real")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "tool").symlink_to(real)
    assert look(world, question("exec", program="tool")).resolved == str(real)
    assert look(world, question("exec", program="other")).resolved == ""
    assert look(world, question("exec", program="")).resolved == ""
    assert look(world, question("exec", program="\ud800")).resolved == ""


def test_program_with_a_slash_is_below_the_asking_process_s_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program(tmp_path / "tool")
    monkeypatch.chdir(tmp_path)
    assert look(world, question("exec", program="./tool")).resolved == str(program)
    assert look(world, question("exec", program=str(program))).resolved == str(program)
    program.chmod(program.stat().st_mode & ~(stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    assert look(world, question("exec", program="./tool")).resolved == ""


def test_process_that_is_gone_was_where_it_first_asked(world: World) -> None:
    assert look(world, question("exec", program="bin/env"), GONE).resolved == os.path.realpath("/usr/bin/env")


@pytest.mark.parametrize("kind", ["dns", "audit"])
def test_nothing_is_looked_up_for_other_kinds(world: World, kind: str) -> None:
    assert look(world, question(kind, host="a.example")) is NO_FACTS
