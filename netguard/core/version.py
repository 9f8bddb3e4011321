"""netguard's version, where a guest that loads no package finds it too."""

VERSION = "0.1.0"
