"""What an editable install puts on `sys.path`: the name `netguard`, and nothing else of this checkout.

With the checkout itself on the path, every interpreter of that environment would run `sitecustomize/__init__.py` at
start, guarded or not, and `tests`, `rules` and `docs` would be importable. So the path entry is this folder, and this
package hands its name over to the real one. An import hook could do the same, but would cost every interpreter start
the import of `typing` and `importlib.util`.
"""

import os

_checkout = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__path__ = [os.path.join(_checkout, "netguard")]
__file__ = os.path.join(__path__[0], "__init__.py")
with open(__file__, encoding="utf-8") as _source:
    exec(compile(_source.read(), __file__, "exec"))  # noqa: S102 - the real package's own __init__, under its own name
