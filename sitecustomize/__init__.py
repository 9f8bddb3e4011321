"""The same starter, for a path that names the folder above this one."""

import os as _os

__file__ = _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "sitecustomize.py")
exec(compile(__loader__.get_data(__file__), __file__, "exec"))  # noqa: S102  # the loader: this may lie in a zip
