"""The reference page says what the schema says."""

from __future__ import annotations

from netguard.core.limits import COUNTS
from netguard.core.limits import PER as METERED
from netguard.core.request import KINDS
from netguard.policy import reference, schema


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
