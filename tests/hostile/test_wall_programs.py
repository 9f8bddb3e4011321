"""A guest that changes which program a path means while its start is looked at. By name a grant is advisory, and the
control shows it; that nothing starts at all, and a list of files, hold."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from netguard.seccomp import landlock
from tests.hostile.natives import alone, program, said
from tests.support.guard import Result, run_guarded

pytestmark = [pytest.mark.kernel, pytest.mark.hostile]

needs_landlock = pytest.mark.skipif(landlock.abi() < 2, reason="Landlock from ABI 2 on (Linux 5.19)")

#: Starts what a path leads to, over and over, until the program that may not start has left its folder.
RACE = """
import mmap, signal
shared = mmap.mmap(-1, 4096); base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
good, evil = f"{place}/a".encode(), f"{place}/b".encode()
path = good
def flip():
    while True: shared[len(path) - 1] = 98; shared[len(path) - 1] = 97
if how == "link":
    path = f"{place}/l".encode()
    def flip():
        while True:
            for name in (evil, good): os.symlink(name, "new"); os.rename("new", path)
shared[: len(path) + 1] = path + b"\\0"
if how == "link": os.symlink(good, path)
flipper = os.fork()
if not flipper: flip()
argv = (ctypes.c_char_p * 3)(b"x", made.encode(), None)
env = (ctypes.c_char_p * 1)(None)
started = failed = 0
until = time.monotonic() + seconds
while time.monotonic() < until and not os.path.exists(made):
    pid = ctypes.c_int()
    error = libc.posix_spawn(ctypes.byref(pid), ctypes.c_void_p(base), None, None, argv, env)
    if error: failed += 1
    else: started += 1; os.waitpid(pid.value, 0)
os.kill(flipper, signal.SIGKILL); os.waitpid(flipper, 0)
say(evil=os.path.exists(made), started=started, failed=failed)
"""

HOW = pytest.mark.parametrize("how", ["memory", "link"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`a` does nothing, `b` makes a folder."""
    shutil.copy("/bin/true", tmp_path / "a")
    shutil.copy("/bin/mkdir", tmp_path / "b")
    return tmp_path


def held(folder: Path, code: str, rules: str, default: str = "allow", **given: object) -> Result:
    """Runs it behind the wall; it may start itself."""
    itself = f"  - {{allow: exec, program: {sys.executable}, unguarded: true}}\n"
    text = f"version: 1\ndefault: {default}\nrules:\n{itself}{rules}"
    words = ["--", *program(folder, code, **given)]
    return run_guarded(words, rules=text, options=["--quiet"], wall="require", cwd=folder, timeout=60)


def race(folder: Path, how: str, rules: str, default: str = "allow", seconds: float = 1.5) -> dict[str, int]:
    given = {"place": str(folder), "made": str(folder / "made"), "how": how, "seconds": seconds}
    done = held(folder, RACE, rules, default, **given)
    found: dict[str, int] = said(done)
    return found


@HOW
def test_grant_by_name_is_advisory(how: str, folder: Path) -> None:
    """The kernel follows the path once more. What starts is held all the same in what it reaches."""
    rules = f"  - {{deny: exec, program: {folder}/b}}\n"
    assert race(folder, how, rules, seconds=20)["evil"]


@HOW
def test_denial_of_all_programs_holds(how: str, folder: Path) -> None:
    assert race(folder, how, "", seconds=20)["evil"], "the control"
    os.rmdir(folder / "made")
    if how == "link":
        os.unlink(folder / "l")
    found = race(folder, how, "  - {deny: exec}\n")
    assert not found["evil"]
    assert not found["started"]
    assert found["failed"] > 10


@needs_landlock
@HOW
def test_list_of_programs_holds(how: str, folder: Path) -> None:
    found = race(folder, how, f"  - {{allow: exec, program: {folder}/a}}\n", "deny")
    assert not found["evil"]
    assert found["failed"]
    assert found["started"]


@needs_landlock
def test_list_is_of_the_files_that_were_there(folder: Path) -> None:
    """What is put in a program's place later is another file, also where the rules grant the path; and said so."""
    code = """
    import shutil
    def start(path): return try_(lambda: os.waitpid(os.posix_spawn(path, ["x", made], {}), 0)[1])
    say(before=start(f"{place}/a"))
    shutil.copy(f"{place}/b", f"{place}/n"); os.rename(f"{place}/n", f"{place}/a")
    say(after=start(f"{place}/a"), moved=try_(lambda: os.rename(f"{place}/a", f"{place}/c")))
    os.link(f"{place}/script", f"{place}/d/other")
    say(script=start(f"{place}/script"), other=start(f"{place}/d/other"))
    say(evil=os.path.exists(made), memory=try_(lambda: os.memfd_create("x")))
    say(sealed=try_(lambda: os.memfd_create("x", 8)) != "ENOSYS")
    """
    (folder / "d").mkdir()
    (folder / "script").write_text("#!/bin/sh\n:\n")
    (folder / "script").chmod(0o755)
    rules = f"  - {{log: exec, program: ['{folder}/a', '{folder}/script', other]}}\n"
    done = held(folder, code, rules, "deny", place=str(folder), made=str(folder / "made"))
    found = said(done)
    assert (found["before"], found["after"], found["moved"]) == (0, "EACCES", None), done.stderr
    assert (found["script"], found["other"]) == (0, 0), "the same file by another name is the same file"
    assert not found["evil"]
    assert found["memory"] == "ENOSYS"
    assert found["sealed"]
    told = [line for line in done.lines("exec") if line["verdict"] == "deny"]
    assert [line["rule"] for line in told] == ["not-listed"]
    assert "when the run began" in told[0]["why"]
    assert done.trail[0]["execute"].startswith("on: only ")


@needs_landlock
def test_loader_and_interpreter_load_any_code(folder: Path) -> None:
    """Not held: a program needs its loader, and the loader starts what it is given."""
    code = """
    say(status=try_(lambda: os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", f". {place}/text"], {}), 0)[1]))
    """
    (folder / "text").write_text(f": > {folder}/ran\n")
    done = held(folder, code, "  - {allow: exec, program: /bin/sh}\n", "deny", place=str(folder))
    assert said(done)["status"] == 0
    assert (folder / "ran").exists()


POINTERS = """
argv = (ctypes.c_char_p * 2)(b"x", None)
def start(path=b"/bin/true", argv=argv, env=None):
    pid = os.fork()
    if not pid:
        libc.execve(path, argv, env); os._exit(ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
bad = ctypes.c_void_p(8)
many = (ctypes.c_char_p * 20_001)(*[b"x"] * 20_000, None)
crowd = (ctypes.c_char_p * 20_001)(*[b"x=y"] * 20_000, None)
long = (ctypes.c_char_p * 2)(b"x" * 131_071, None)
say(good=start(), path=start(bad), list=start(argv=bad), word=start(argv=(ctypes.c_void_p * 2)(8, None)))
say(environ=start(env=bad), large=start(argv=(ctypes.c_char_p * 2)(b"x" * 131_072, None)), long=start(argv=long))
say(crowd=start(env=crowd))
say(many=start(argv=many), none=start(argv=None), dots=start(b"/usr/bin/../../" + place.encode() + b"/a"))
"""


def test_pointers_and_lengths_are_the_kernels_affair_or_a_denial(folder: Path) -> None:
    given = {"place": str(folder)}
    bare = said(alone(folder, POINTERS, **given))
    assert bare["good"] == 0
    free = said(held(folder, POINTERS, "", **given))
    assert {**free, "crowd": 0} == bare
    assert free["crowd"] == 13, "a variable that brings code along may be among those that are not read"
    rules = "  - {deny: exec, args: '*secret*'}\n  - {log: exec, program: ['/usr/bin/*', 'true']}\n"
    done = held(folder, POINTERS, rules, "deny", **given)
    assert {name: value for name, value in said(done).items() if value not in (0, bare[name])} == {
        "crowd": 13,
        "many": 13,  # more than is read, where a rule asks what it says
        "dots": 13,  # `/usr/bin/*` is not what lies elsewhere
    }
    assert [line["rule"] for line in done.lines("exec") if line["verdict"] == "deny"] == [
        "hostile-argument", "hostile-argument", "default",
    ]  # fmt: skip


MEMORY = """
m = os.memfd_create("name"); os.write(m, open("/bin/true", "rb").read())
argv = (ctypes.c_char_p * 2)(b"x", None)
def start(*args):
    pid = os.fork()
    if not pid:
        libc.execveat(*args); os._exit(ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
say(memory=start(m, b"", argv, None, 0x1000), empty=start(m, b"", argv, None, 0), flags=start(m, b"", argv, None, 0x1))
say(proc=start(-100, f"/proc/self/fd/{m}".encode(), argv, None, 0), link=start(-100, b"/bin/sh", argv, None, 0x100))
"""


def test_program_in_memory_is_decided_as_what_the_kernel_calls_it(folder: Path) -> None:
    done = held(folder, MEMORY, "  - {log: exec, program: '/memfd:*'}\n")
    found = said(done)
    assert found.pop("link") in (40, 0)  # where /bin/sh is a link, it is none
    assert found == {"memory": 0, "empty": 2, "flags": 22, "proc": 0}
    lines = [line["exec"] for line in done.lines("exec")]
    assert [line["path"] if "path" in line else line["program"] for line in lines] == ["/memfd:name (deleted)"] * 2
    denied = held(folder, MEMORY, "  - {deny: exec, program: '/memfd:*'}\n")
    assert (said(denied)["memory"], said(denied)["proc"]) == (13, 13)
