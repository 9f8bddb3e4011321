"""The starter: when the environment asks for a guard, it starts one before the program's first line, or stops the
program.

CPython prints a failing `sitecustomize` and runs the program all the same, so nothing may be raised out of here but
the one error by which `site` knows that there is no `sitecustomize`; everything else ends the process. Not asked, it
does nothing but let the `sitecustomize` that it shadows run, which it also does after a start.

Only this file may lie in its folder: the folder stands before the standard library on `sys.path` until we take it off.
"""

import sys


def _guard(folder: str) -> None:
    """Loads the shim by its place, starts it, and leaves `sys.modules` as a plain run has it."""
    place, _, name = folder.rpartition("/")
    package = place if name == "starter" else place + "/netguard"  # in a wheel inside the package, in a checkout beside
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "netguard"}
    bare = type(sys)("netguard")
    bare.__path__ = [package]
    sys.modules["netguard"] = bare
    try:
        from netguard.shim.start import start

        start()
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "netguard"]:
            del sys.modules[name]
        sys.modules.update(others)
        for cached in [cached for cached in sys.path_importer_cache if cached.startswith(package)]:
            del sys.path_importer_cache[cached]


def _stop(error: BaseException) -> None:
    """Ends the process with a message. No exception would do: `site` would print it and go on."""
    import os

    text = f"netguard: the guard could not start, so the program was stopped: {type(error).__name__}: {error}\n"
    os.write(2, text.encode("utf-8", "backslashreplace"))
    os._exit(125)


def _next(folder: str, above: str) -> None:
    """Runs the `sitecustomize` behind ours, in our name's place; without one, says what `site` hears in a plain run.

    Our folder leaves `sys.path` for good. The one above it, when the path names that, is the user's and only looked
    past.
    """
    at = [index for index, place in enumerate(sys.path) if place.rstrip("/") == above] if above else []
    sys.path[:] = [place for place in sys.path if place.rstrip("/") not in (folder, above or folder)]
    sys.path_importer_cache.pop(folder, None)
    del sys.modules["sitecustomize"]
    try:
        import sitecustomize  # noqa: F401  # the next one; if there is none, this raises what a plain run raises
    finally:
        for index in at:
            sys.path.insert(index, above)


def _asked() -> bool:
    import os

    return "NETGUARD_CHANNEL" in os.environ


_folder = __file__.rpartition("/")[0]
# The folder above holds this one as a package (see __init__.py): it must not be taken for the next one.
_above = _folder.rpartition("/")[0] if _folder.endswith("/sitecustomize") else ""
if _asked():
    try:
        _guard(_folder)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the program must not run unguarded
        _stop(error)
_next(_folder, _above)
