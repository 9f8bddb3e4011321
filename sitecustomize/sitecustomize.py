"""The starter: when the environment asks for a guard, it starts one before the program's first line, or stops the
program.

CPython prints a failing `sitecustomize` and runs the program all the same, so nothing may be raised out of here but
the one error by which `site` knows that there is no `sitecustomize`; everything else ends the process. Not asked, it
does nothing but let the `sitecustomize` that it shadows run, which it also does after a start.

Only this file may lie in its folder: the folder stands before the standard library on `sys.path` until we take it off.
"""

import sys


def _guard(folder: str) -> None:
    """Loads the shim by its place, starts it, and leaves `sys.modules` as a plain run has it.

    Its modules see a copy of the builtins that nobody else has: a guest that replaces `builtins.type` or
    `builtins.len` would otherwise be called by the hook, and answer for it.
    """
    import builtins
    from _frozen_importlib_external import SourceFileLoader, spec_from_file_location

    place, _, name = folder.rpartition("/")
    package = place if name == "starter" else place + "/netguard"  # in a wheel inside the package, in a checkout beside
    private = dict(vars(builtins))

    class Ours(SourceFileLoader):
        def exec_module(self, module: object) -> None:
            module.__dict__["__builtins__"] = private
            super().exec_module(module)

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            base, _, rest = name.partition(".")
            if base != "netguard":
                return None
            place, inside = f"{package}/{rest.replace('.', '/')}", None
            if rest in ("core", "shim"):
                place, inside = place + "/__init__", [place]
            file = place + ".py"
            return spec_from_file_location(name, file, loader=Ours(name, file), submodule_search_locations=inside)

    def ours() -> list:
        return [name for name in sys.modules if name.partition(".")[0] in ("netguard", "__future__")]

    others = {name: sys.modules.pop(name) for name in ours()}
    bare, future = type(sys)("netguard"), type(sys)("__future__")
    bare.__path__ = [package]
    future.annotations = None  # all that our modules want of it; the real one would have to be read from disk
    sys.modules.update({"netguard": bare, "__future__": future})
    sys.meta_path.insert(0, Finder)
    try:
        from netguard.shim.start import start

        start()
    finally:
        sys.meta_path.remove(Finder)
        for name in ours():
            del sys.modules[name]
        sys.modules.update(others)


def _stop(error: BaseException) -> None:
    """Ends the process with a message. No exception would do: `site` would print it and go on."""
    import os

    try:
        text = f"netguard: the guard could not start, so the program was stopped: {type(error).__name__}: {error}\n"
        os.write(2, text.encode("utf-8", "backslashreplace"))
    finally:  # also without a standard error to write to
        os._exit(125)


def _next(folder: str, above: str) -> None:
    """Runs the `sitecustomize` behind ours, in our name's place; without one, says what `site` hears in a plain run.

    Our folder leaves `sys.path` for good. The one above it is the user's; when it holds this same starter as a
    package, it is only looked past, whichever of the two the path names first.
    """
    at = [index for index, place in enumerate(sys.path) if place.rstrip("/") == above]
    at = [index - sum([place.rstrip("/") == folder for place in sys.path[:index]]) for index in at]
    sys.path[:] = [place for place in sys.path if place.rstrip("/") not in (folder, above)]
    sys.path_importer_cache.pop(folder, None)
    del sys.modules["sitecustomize"]
    try:
        import sitecustomize  # noqa: F401  # the next one; if there is none, this raises what a plain run raises
    finally:
        for index in at:
            sys.path.insert(index, above)


def _asked() -> bool:
    """Whether this process was started with the request.

    A sub-interpreter runs this too, and by then the guest may have taken the variable away; what the process was
    started with stays where the kernel keeps it.
    """
    import os

    if "NETGUARD_CHANNEL" in os.environ:
        return True
    try:
        with open("/proc/self/environ", "rb") as file:
            return b"\0NETGUARD_CHANNEL=" in b"\0" + file.read()
    except OSError:
        return False


_folder = __file__.rpartition("/")[0]
_above, _, _name = _folder.rpartition("/")
if _asked():
    try:
        _guard(_folder)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the program must not run unguarded
        _stop(error)
_next(_folder, _above if _name == "sitecustomize" else _folder)
