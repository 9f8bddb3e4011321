"""`python -m netguard` is the `netguard` command."""

import sys

from netguard.commands import main

sys.exit(main())
