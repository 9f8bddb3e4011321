"""The targets of all attacks: one namespace for a whole module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.targets import Targets
from tests.support.echo import UnixEcho
from tests.support.isolation import Namespace, missing


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    """One namespace for all attacks; skips, naming what is missing, where none can be made."""
    if missing():
        pytest.skip(missing())
    folder = tmp_path_factory.mktemp("targets")
    mark = folder / "mark"
    mark.write_text(f"#!/bin/sh\n: > {mark}.ran\n")
    mark.chmod(0o755)
    with Namespace(anywhere=True) as space, UnixEcho(str(folder / "unix")) as unix:
        yield Targets(space, unix, mark)
