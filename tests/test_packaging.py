"""What an install puts where: the wheel's names, and a fresh environment for each way to install.

The environments are made without the network: the wheels are built here, and what netguard depends on is copied from
the environment of the tests. Those marked slow ask an index, as a user's own `pip install` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.guard import clean_environment

ROOT = Path(__file__).parent.parent

pytest.importorskip("hatchling", reason="hatchling, to build the wheels")


class Environment:
    """A fresh virtual environment with netguard in it."""

    def __init__(self, folder: Path, *, with_pip: bool = False) -> None:
        self.folder = folder
        venv.create(folder, with_pip=with_pip, symlinks=True)
        self.python = str(folder / "bin" / "python")
        self.site = next(folder.glob("lib/python*/site-packages"))

    def run(self, *command: str) -> str:
        """What the command says; it must not fail. It runs where the checkout is not to be found by chance."""
        env = clean_environment(str(self.folder))
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, code: str) -> list[str]:
        """The words that a bare interpreter of the environment prints."""
        return self.run(self.python, "-I", "-c", code).split()


def built(kind: str, folder: Path) -> Path:
    """A wheel of the checkout; hatchling's own name for an editable one is `wheel:editable`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def copied_dependencies(site: Path) -> None:
    """Put what netguard needs into `site`, from the environment of the tests."""
    for required in metadata.requires("netguard") or []:
        name = required.split(">")[0]
        if "extra ==" in required or ("python_version" in required and sys.version_info >= (3, 11)):
            continue
        for file in metadata.files(name) or []:
            if ".." not in file.parts:
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel:standard", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=["wheel", "editable"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    made = Environment(tmp_path_factory.mktemp(request.param) / "venv")
    if request.param == "editable":
        wheel = built("wheel:editable", tmp_path_factory.mktemp("editable-wheel"))
    copied_dependencies(made.site)
    command = [sys.executable, "-m", "pip", "--python", made.python, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module", params=[pytest.param((), id="plain"), pytest.param(("--editable",), id="editable")])
def indexed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("indexed") / "venv", with_pip=True)
    made.run(made.python, "-m", "pip", "install", "pip>=22.3", "--quiet")
    made.run(made.python, "-m", "pip", "install", "--quiet", *request.param, str(ROOT))
    return made


#: Where a wheel has what goes below the environment's prefix.
DATA = f"netguard-{metadata.version('netguard')}.data/data"


def names_beside(folder: str, inside: str) -> set[str]:
    """Every file below a folder of the checkout, by the name it has in the wheel."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}


def test_wheel_holds_the_package_and_nothing_at_top_level(wheel: Path) -> None:
    """An installed `sitecustomize` would run in every interpreter of the environment."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == (
        names_beside("netguard", "netguard")
        | names_beside("sitecustomize", "netguard/starter")
        | names_beside("rules", "netguard/rules")
        | names_beside("system", "netguard/share")
        | names_beside("system", f"{DATA}/share")
    )
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_editable_wheel_holds_one_path(tmp_path: Path) -> None:
    with zipfile.ZipFile(built("wheel:editable", tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (path,) = names - names_beside("system", f"{DATA}/share")
        assert wheel.read(path).decode() == str(ROOT / ".editable")


def check_doors(environment: Environment) -> None:
    by_module = environment.run(environment.python, "-m", "netguard", "--help")
    by_script = environment.run(str(environment.folder / "bin" / "netguard"), "--help")
    assert by_module == by_script
    assert "run" in by_module


def check_files(environment: Environment) -> None:
    starter, packs = environment.ask("from netguard.paths import *; print(starter_dir(), packs_dir())")
    assert os.path.isfile(os.path.join(starter, "sitecustomize.py"))
    assert os.path.isfile(os.path.join(packs, "audit.yaml"))


def check_share(environment: Environment) -> None:
    """The man page and the completions lie where `man` and the shells look, and are the ones that are printed."""
    share = environment.folder / "share"
    found = {path.relative_to(share).as_posix() for path in share.rglob("*") if path.is_file()}
    assert names_beside("system", "") <= {f"/{name}" for name in found}
    shown = environment.run(environment.python, "-m", "netguard", "completion", "zsh")
    assert (share / "zsh" / "site-functions" / "_netguard").read_text() == shown


def check_schema(environment: Environment) -> None:
    """The line leads to the file that is printed."""
    line = environment.run(environment.python, "-m", "netguard", "schema", "--line")
    uri = line.removeprefix("# yaml-language-server: $schema=").rstrip("\n")
    shown = environment.run(environment.python, "-m", "netguard", "schema")
    assert Path(unquote(uri.removeprefix("file://"))).read_text() == shown


def check_run(environment: Environment) -> None:
    said = environment.run(environment.python, "-m", "netguard", "run", "--quiet", "-c", "import sys; print(sys.argv)")
    assert said == "['-c']\n"


def check_neighbours(environment: Environment) -> None:
    found = "import importlib.util as u; print(*(n for n in ('tests', 'rules', 'docs', 'netguard') if u.find_spec(n)))"
    assert environment.ask(found) == ["netguard"]
    # Asked with site's own question: which sitecustomize would run? One of the system's may, ours may not.
    origin = "import importlib.util as u; s = u.find_spec('sitecustomize'); print(s.origin if s else '')"
    assert not [place for place in environment.ask(origin) if place.startswith((str(ROOT), str(environment.site)))]


def check_version(environment: Environment) -> None:
    told = environment.ask("import netguard as n, importlib.metadata as m; print(n.__version__, m.version('netguard'))")
    assert len(set(told)) == 1


CHECKS = pytest.mark.parametrize(
    "check",
    [check_doors, check_files, check_share, check_schema, check_run, check_neighbours, check_version],
    ids=lambda check: check.__name__.removeprefix("check_"),
)


@CHECKS
def test_install_without_network_works(environment: Environment, check) -> None:
    check(environment)


@pytest.mark.slow
@CHECKS
def test_install_by_pip_works(indexed: Environment, check) -> None:
    check(indexed)


def test_editable_install_costs_interpreters_nothing(environment: Environment) -> None:
    """Neither way to install may make every interpreter of the environment load modules, as an import hook would."""
    code = "import sys; print(*sorted(sys.modules))"
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    added = {name.split(".")[0] for name in set(environment.ask(code)) - set(bare)}
    assert not added & {"netguard", "editables", "importlib", "typing"}
