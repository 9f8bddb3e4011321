"""The reference page says what the schema says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from netguard import paths
from netguard.core.limits import COUNTS
from netguard.core.limits import PER as METERED
from netguard.core.request import KINDS
from netguard.policy import reference, schema
from netguard.policy.reference import PAGE


def test_page_is_what_the_table_makes() -> None:
    """If this fails: `python -m netguard.policy.reference`."""
    assert Path(PAGE).read_text(encoding="utf-8") == reference.reference()


def test_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PAGE", str(tmp_path / "docs" / "policy.md"))
    reference.main()
    assert (tmp_path / "docs" / "policy.md").read_text(encoding="utf-8") == reference.reference()


def test_page_is_written_by_the_module_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PACKAGE", str(tmp_path / "netguard"))
    monkeypatch.delitem(sys.modules, "netguard.policy.reference")
    runpy.run_module("netguard.policy.reference", run_name="__main__")
    assert (tmp_path / "docs" / "reference" / "policy.md").exists()


def test_page_names_every_word_of_the_language() -> None:
    page = reference.reference()
    keys = [schema.FILE_KEYS, schema.RULE_KEYS, schema.FROM_KEYS, schema.LIMIT_KEYS, schema.LIST_KEYS, schema.TEST_KEYS]
    words = [name for table in keys for name in table]
    for word in [*words, *KINDS, *schema.ALIASES, *schema.METADATA_NAMES, *schema.FORMATS, *schema.PER]:
        assert f"`{word}`" in page
    for name in schema.BUILTIN:
        assert f"`@{name}`" in page


def test_table_fits_the_core() -> None:
    assert schema.COUNTERS == COUNTS
    assert set(schema.PER) == set(METERED)
    assert set(schema.ALIASES.values()) < set(KINDS)
    assert set(schema.KIND_MEANINGS) == set(KINDS)
