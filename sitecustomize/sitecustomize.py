"""The starter: when the environment asks for a guard, it starts one before the program's first line, or stops the
program.

CPython prints a failing `sitecustomize` and runs the program all the same, so nothing may be raised out of here but
the one error by which `site` knows that there is no `sitecustomize`; everything else ends the process. Not asked, it
does nothing but let the `sitecustomize` that it shadows run, which it also does after a start.

It is found by `PYTHONPATH`, from a folder or a zip, or run by the line of a `.pth` file, which names SETTINGS. Only
this file may lie in its folder: the folder stands before the standard library on `sys.path` until we take it off. Any
Python must be able to read this file, also one that it can only refuse: no syntax that Python 2 has not.
"""

import sys

#: What the guard needs: audit hooks came with 3.8, and nobody tests that version any more.
OLDEST = (3, 9)

#: The folders of our modules.
PACKAGES = frozenset(["netguard.core", "netguard.record", "netguard.shim"])

#: What decides, and where lines go: an installed guard's settings alone say that.
SETTLED = frozenset([b"NETGUARD_" + name for name in (b"POLICY", b"POLICY_SHA256", b"LOG", b"LOG_FD", b"DRY_RUN")])

#: What a run's first guard finds out and hands on, to sub-interpreters as to children.
FOUND_OUT = (b"NETGUARD_RUN", b"NETGUARD_POLICY_SHA256", b"NETGUARD_LOG_ID")

#: Raised to hear whether this interpreter is guarded (netguard/shim/table.py).
RUNNING = "netguard.running"


def _guard(folder, started):
    """Loads the shim by its place and starts it.

    Its modules see a copy of the builtins that nobody else has: a guest that replaces `builtins.type` or
    `builtins.len` would otherwise be called by the hook, and answer for it. They import each other by a function of
    our own, so that nothing of ours stands in `sys.modules`, and nobody's finder is asked for it.
    """
    import builtins

    place, _, name = folder.rpartition("/")
    package = place if name == "starter" else place + "/netguard"  # in a wheel inside the package, in a checkout beside
    private = dict(vars(builtins))
    private["__import__"] = _importer(package, private)
    private["__import__"]("shim.start", {"__package__": "netguard"}, None, ("start",), 1).start(started, folder)


def _importer(package, private):
    """`__import__` for our modules: what they name relatively is ours, what they name absolutely is everybody's."""
    everybodys = private["__import__"]
    code_of = _code_of()
    loaded = {}
    future = type(sys)("__future__")
    future.annotations = None  # all that our modules want of it; the real one would have to be read from disk

    def load(name):
        module = loaded.get(name)
        if module is None:
            module = loaded[name] = type(sys)(name)
            is_package = name in PACKAGES
            module.__package__ = name if is_package else name.rpartition(".")[0]
            module.__file__ = package + name[8:].replace(".", "/") + ("/__init__.py" if is_package else ".py")
            module.__builtins__ = private
            exec(code_of(name, module.__file__), module.__dict__)  # noqa: S102  # as every loader does
        return module

    def ours(name, globals=None, locals=None, fromlist=(), level=0):
        if not level:
            return future if name == "__future__" else everybodys(name, globals, locals, fromlist, level)
        base = globals["__package__"].rsplit(".", level - 1)[0]
        full = base + "." + name if name else base
        module = load(full)
        for item in fromlist:
            if not hasattr(module, item):  # a module of the package
                setattr(module, item, load(full + "." + item))
        return module

    return ours


def _code_of():
    """What gives the code of a module of ours: from files and their compiled forms, or from the zip that we lie in."""
    if getattr(globals().get("__loader__"), "archive", None) is None:
        from _frozen_importlib_external import SourceFileLoader

        return lambda name, file: SourceFileLoader(name, file).get_code(name)
    from zipimport import zipimporter

    def zipped(name, file):
        folder, _, last = file.rpartition("/")
        return zipimporter(folder.rpartition("/")[0] if last == "__init__.py" else folder).get_code(name)

    return zipped


def _stop(text):
    """Ends the process with a message. No exception would do: `site` would print it and go on."""
    import os

    try:
        text = "netguard: the guard could not start, so the program was stopped: %s\n" % text
        os.write(2, text if bytes is str else text.encode("utf-8", "backslashreplace"))
    finally:  # also without a standard error to write to
        os._exit(125)


def _next(folder, above):
    """Runs the `sitecustomize` behind ours, in our name's place; without one, says what `site` hears in a plain run.

    Our folder leaves `sys.path` for good. The one above it is the user's; when it holds this same starter as a
    package, it is only looked past, whichever of the two the path names first.
    """
    at = [index for index, place in enumerate(sys.path) if place.rstrip("/") == above]
    at = [index - sum([place.rstrip("/") == folder for place in sys.path[:index]]) for index in at]
    sys.path[:] = [place for place in sys.path if place.rstrip("/") not in (folder, above)]
    sys.path_importer_cache.pop(folder, None)
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401  # the next one; if there is none, this raises what a plain run raises
    except BaseException:
        sys.modules["sitecustomize"] = ours  # for whoever loads us to take away
        raise
    finally:
        for index in at:
            sys.path.insert(index, above)


def _started():
    """The environment that this process was started with, as bytes.

    As the kernel keeps it, where it does: a sub-interpreter runs this too, and by then the guest may have taken the
    variables away, or put others there.
    """
    import os

    shown = dict(getattr(os, "environb", os.environ))
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")[::-1]  # backwards: the first of two is the one that getenv finds
            kept = dict([entry.partition(b"=")[::2] for entry in entries if entry])
    except EnvironmentError:
        return shown
    if not _asks(kept) and _asks(shown):
        return shown  # a program may have written over the kernel's copy, to show another name in `ps`
    kept.update([(name, shown[name]) for name in FOUND_OUT if name in shown and name not in kept])
    return kept


def _asks(environ):
    return any([name.startswith(b"NETGUARD_") for name in environ])


def _with_settings(started, path):
    """The environment with what an installed guard is set to.

    Only a supervisor goes before that. A program's own variables do not: whoever starts one by a shell could choose
    other rules for it. They may name the run that it belongs to.
    """
    if b"NETGUARD_CHANNEL" in started:
        return started
    with open(path, "rb") as file:
        lines = [line.partition(b"=")[::2] for line in file.read().splitlines() if line and not line.startswith(b"#")]
    found = {name: value for name, value in started.items() if name not in SETTLED}
    found.update(lines)
    return found


def _uncollected(start, *args):
    """Calls a function without the garbage collector, and takes what there is then from its lists.

    None of it is garbage before the process ends, and looking through it again and again, also at the end, took a third
    of a start.

    A sub-interpreter keeps it on the lists: it has to give its memory back when it ends.
    """
    known = "gc" in sys.modules
    import gc

    if not known:
        del sys.modules["gc"]  # the program has it when it asks for it, as ever
    collects = gc.isenabled()
    gc.disable()
    start(*args)
    if _is_first():
        gc.freeze()
    if collects:
        gc.enable()


def _is_first():
    """Whether this is the process's first interpreter."""
    import _signal
    import _thread

    if hasattr(_thread, "_is_main_interpreter"):  # 3.12
        return _thread._is_main_interpreter()
    try:
        before = _signal.set_wakeup_fd(-1)
    except ValueError:  # nobody else may do this
        return False
    if before != -1:
        _signal.set_wakeup_fd(before)
    return True


def _is_guarded():
    """Whether there is a guard already: another `.pth`, or a path that leads here as well."""
    heard = []
    sys.audit(RUNNING, heard)
    return bool(heard)


def _main(folder, settings):
    """Starts the guard if one was asked for."""
    started = _started()
    if settings is None and not _asks(started):
        return
    if sys.version_info < OLDEST:
        versions = sys.version_info[:2] + OLDEST
        _stop("Python %d.%d has no hooks that a guard could use; it takes %d.%d or later" % versions)
    if not _is_guarded():
        _uncollected(_guard, folder, started if settings is None else _with_settings(started, settings))


_folder = __file__.rpartition("/")[0]
_above, _, _name = _folder.rpartition("/")
try:
    _main(_folder, globals().get("SETTINGS"))
except BaseException as _error:  # noqa: BLE001  # whatever it is, the program must not run unguarded
    _stop(str(_error) if type(_error).__name__ == "Unusable" else "%s: %s" % (type(_error).__name__, _error))
if __name__ == "sitecustomize":
    _next(_folder, _above if _name == "sitecustomize" else _folder)
