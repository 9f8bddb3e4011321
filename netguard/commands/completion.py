"""Print what completes commands, options and files in a shell.

  source <(netguard completion bash)                now, or in ~/.bashrc
  source <(netguard completion zsh)                 now, or in ~/.zshrc
  netguard completion fish | source                 now
  netguard completion fish > ~/.config/fish/completions/netguard.fish

A shell finds it by itself where netguard is installed for the whole system.
In ~/.zshrc it stands behind compinit.
"""

from __future__ import annotations

import os
import sys

from netguard.paths import share_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "print the completion of commands and options for a shell"

#: Where each lies below `share`, as the shells look for it there.
SHELLS = {
    "bash": "bash-completion/completions/netguard",
    "zsh": "zsh/site-functions/_netguard",
    "fish": "fish/vendor_completions.d/netguard.fish",
}


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell")


def run(args: Namespace) -> int:
    """Print it."""
    with open(os.path.join(share_dir(), SHELLS[args.shell]), encoding="utf-8") as file:
        sys.stdout.write(file.read())
    return 0
