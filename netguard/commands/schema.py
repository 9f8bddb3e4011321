"""Print the JSON Schema of rule files, or the line that tells an editor of it.

  netguard schema > rules.schema.json    the schema itself
  netguard schema --line                 the first line of a rule file in YAML
  netguard schema --line toml            of one in TOML; json: its first key

With that line an editor that speaks to a YAML or TOML language server
completes keys and values, explains them, and marks what is wrong. The line
leads to the file of this netguard. For rule files that are shared, keep the
schema beside them and write its name, in YAML so:

  # yaml-language-server: $schema=rules.schema.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from netguard.paths import schema_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "print the JSON Schema of rule files, for editors"

#: How a file of each format names its schema. The YAML language server ends the address at the first space, and so it
#: is a URI, in which there is none.
LINES = {
    "yaml": "# yaml-language-server: $schema={uri}",
    "toml": "#:schema {uri}",
    "json": '"$schema": "{uri}",',
}


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument(
        "--line", nargs="?", const="yaml", choices=tuple(LINES), help="print the line that names it (yaml)"
    )


def run(args: Namespace) -> int:
    """Print the schema or the line."""
    path = Path(schema_file())
    line = LINES[args.line].format(uri=path.as_uri()) + "\n" if args.line else ""
    sys.stdout.write(line or path.read_text(encoding="utf-8"))
    return 0
