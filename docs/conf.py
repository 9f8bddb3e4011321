"""How Sphinx makes a site of this folder: `make docs`. The pages stay plain Markdown, whole on a code host too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import netguard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "netguard"
release = version = netguard.__version__
copyright = "the authors of netguard, Apache License 2.0"

extensions = ["myst_parser"]
exclude_patterns = ["**/.*"]
nitpicky = True  # with `-W`, a link that leads nowhere ends the build
myst_heading_anchors = 4  # the anchors that a code host makes of headings
smartquotes = False  # `--log` is no dash

html_theme = "furo"
html_title = "netguard"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False  # the sources are on the code host
html_use_index = False  # there is nothing in it
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "native"

linkcheck_timeout = 10


def sections(index: str) -> Iterator[tuple[str, list[str]]]:
    """(title, its pages) of each part of the index that lists pages, in the order of its links."""
    for title, body in pairwise(re.split(r"(?m)^## (.*)\n", index)[1:]):
        pages = re.findall(r"(?m)^- \[.*?\]\(([\w/-]+)\.md\)", body)
        if pages:
            yield title, pages


def contents(index: str) -> str:
    """The site's navigation, from the index's own lists. A page that is not in them is a warning of Sphinx's."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{chr(10).join(pages)}\n```\n"
        for title, pages in sections(index)
    )


def named_files(page: str) -> str:
    """The page with the names of the files it shows above them: what stands behind a fence is not shown otherwise."""
    return re.sub(r"(?m)^( *)```(\w+) (\S+)$", r"\1```{code-block} \2\n\1:caption: \3\n", page)


def add_to(app: Sphinx, name: str, source: list[str]) -> None:
    """Adds to a page what Sphinx wants and a code host would show as it is written."""
    source[0] = named_files(source[0])
    if name == "index":
        source[0] += contents(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", add_to)
    return {"parallel_read_safe": True}
