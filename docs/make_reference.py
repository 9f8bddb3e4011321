"""Writes every page and file that is made from the code: `python docs/make_reference.py`. A test holds each to it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from generators import completion  # noqa: E402  # found only now
from generators.cli import cli  # noqa: E402
from generators.events import events  # noqa: E402
from generators.filter import filter_page  # noqa: E402
from generators.man import man  # noqa: E402

from netguard.policy import json_schema, reference  # noqa: E402

#: Where each lies, and what makes its text.
MADE = {
    "docs/reference/cli.md": cli,
    "docs/reference/events.md": events,
    "docs/reference/filter.md": filter_page,
    "docs/reference/policy.md": reference.reference,
    "rules/schema.json": json_schema.text,
    "system/bash-completion/completions/netguard": completion.bash,
    "system/man/man1/netguard.1": man,
    "system/zsh/site-functions/_netguard": completion.zsh,
    "system/fish/vendor_completions.d/netguard.fish": completion.fish,
}


def main() -> None:
    """Writes them."""
    for name, make in MADE.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
