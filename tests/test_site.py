"""The site that `make docs` makes, its pictures, and the tutorial from a checkout to a verified trail."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from netguard.views.denial import denial_line
from tests.support.guard import clean_environment
from tests.support.isolation import missing
from tests.support.pages import DOCS, ROOT, fences, free_port, play_page


def pictures() -> dict[str, Any]:
    """What `make_pictures.py` defines."""
    return runpy.run_path(str(DOCS / "make_pictures.py"))


def words_in(svg: str) -> list[str]:
    """The words that a picture shows, which do not depend on who drew it."""
    return unescape(" ".join(re.findall(r"(?s)<text[^>]*>(.*?)</text>", svg))).split()


def test_pictures_show_what_this_version_shows() -> None:
    """If this fails: `python docs/make_pictures.py`."""
    drawing = pictures()
    for name in drawing["DRAWN"]:
        kept = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
        assert words_in(kept) == words_in(drawing["picture"](name)), name
        assert not re.search(r"url\(.?http|href|@import", kept), "a picture loads nothing"


def test_picture_of_a_recorded_run_is_drawn_the_same_twice() -> None:
    drawing = pictures()
    assert [drawing["picture"](name) for name in drawing["DRAWN"]] == [
        pictures()["picture"](name) for name in drawing["DRAWN"]
    ]


def test_denial_that_is_taken_apart_is_one_of_the_recorded_run() -> None:
    words = " ".join((DOCS / "how-to" / "read-a-denial.md").read_text(encoding="utf-8").split())
    lines = [json.loads(line) for line in (DOCS / "pictures" / "agent.jsonl").read_text(encoding="utf-8").splitlines()]
    assert denial_line(next(line for line in lines if line.get("verdict") == "deny")) in words


def test_picture_of_a_denial_is_what_netguard_show_prints(tmp_path: Path) -> None:
    drawing = pictures()
    trail, line = str(DOCS / "pictures" / "agent.jsonl"), str(drawing["DENIAL"])
    command = [sys.executable, "-m", "netguard", "show", trail, line]
    env = clean_environment(str(tmp_path), {"COLUMNS": str(drawing["WIDTH"]), "LC_ALL": "C.UTF-8"})
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == drawing["shown"](colour=False)


def test_recorded_run_is_whole() -> None:
    command = [sys.executable, "-m", "netguard", "verify", str(DOCS / "pictures" / "agent.jsonl")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.skipif(shutil.which("curl") != "/usr/bin/curl", reason="the picture shows /usr/bin/curl")
def test_picture_shows_what_make_run_prints(tmp_path: Path) -> None:
    """netguard's own words, to the letter; the trail is elsewhere."""
    drawing = pictures()
    command = [sys.executable, str(ROOT / "examples" / "agent" / "demo.py")]
    changes = {"LC_ALL": "C.UTF-8", "HOME": str(tmp_path), "COLUMNS": str(drawing["WIDTH"])}
    env = clean_environment(str(tmp_path), changes)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    shown = [*drawing["denials"](), *drawing["ending"](colour=False)]
    assert re.sub(r"\S*/trail\.jsonl", "trail.jsonl", done.stderr).splitlines() == shown
    assert "collector  0 requests on 0 connections" in done.stdout


def site(folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of the pages in `folder / "docs"`, made in `folder / "site"`."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed: `make docs` installs it")
    command = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", "site"]
    env = clean_environment(str(folder))
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_site_has_every_page_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    done = site(tmp_path)
    assert done.returncode == 0, done.stderr
    pages = [path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")]
    navigation = re.findall(r'href="([^"#]+)"', (tmp_path / "site" / "index.html").read_text(encoding="utf-8"))
    for page in pages:
        text = (tmp_path / "site" / page).read_text(encoding="utf-8")
        assert page.name == "index.html" or str(page) in navigation
        assert not re.findall(r'(?:src=|<link [^>]*href=)"(?:https?:)?//[^"]*"', text), page
        assert not re.findall(r'href="[^":]*\.md["#]', text), page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [("(tutorial.md)", "(tutorials.md)"), ("(explanation/threat-model.md)", "(explanation/threat-model.md#nowhere)"),
     ("pictures/how-it-works.svg", "pictures/none.svg"), ("- [Changelog](changelog.md)\n", "")],
    ids=["page", "anchor", "picture", "navigation"],
)  # fmt: skip
def test_site_is_not_made_with_a_link_that_leads_nowhere(old: str, new: str, tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    index = tmp_path / "docs" / "index.md"
    text = index.read_text(encoding="utf-8")
    assert old in text
    index.write_text(text.replace(old, new), encoding="utf-8")
    done = site(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "WARNING" in done.stderr


@pytest.mark.slow
def test_tutorial_goes_as_it_says_from_a_checkout(tmp_path: Path) -> None:
    """With a virtual environment and what pip installs into it; asks an index."""
    install = next(fence.text for fence in fences(DOCS / "tutorial.md") if fence.info == "sh")
    assert "pip install --quiet . requests" in install
    play_page(DOCS / "tutorial.md", tmp_path, free_port(), install=f"cd '{ROOT}'\n{install}")
    assert (tmp_path / "first-guard" / "bin" / "netguard").exists()
    assert (tmp_path / "first-guard" / "pages" / "trail.jsonl").exists()
