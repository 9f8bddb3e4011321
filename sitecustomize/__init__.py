"""The same starter, for a path that names the folder above this one."""

import os as _os

__file__ = _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "sitecustomize.py")
exec(compile(open(__file__, encoding="utf-8").read(), __file__, "exec"))  # noqa: S102, SIM115
