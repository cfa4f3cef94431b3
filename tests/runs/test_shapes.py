"""Records of another shape are refused by name, before a command relies on them."""

from __future__ import annotations

from typing import Any

import pytest

from otx.data.ledger import ledger_text
from otx.errors import DataError
from otx.files.shapes import check_shape
from otx.runs.footnotes import inexact_lines
from otx.runs.plugin_notes import plugins_in_words
from otx.runs.shapes import RECORD_SHAPE

COUNTS = {
    "read": 3,
    "used": 1,
    "held_out": 1,
    "filtered": {},
    "refused": {"nul": 1},
    "repaired": {},
}
RECORD: dict[str, Any] = {
    "schema": 1,
    "kind": "align",
    "status": "finished",
    "created": "2026",
    "settings": {},
    "corpora": [{"name": "c", "source": "de", "pivot": "en", "ledger": COUNTS}],
    "plugins": [{"kind": "objective", "name": "l2", "distribution": "otx", "version": "1"}],
    "inexact": [{"step": 3, "changed": {"torch": ["1", "2"]}}],
}


def test_a_sound_record_can_be_shown() -> None:
    check_shape(RECORD, RECORD_SHAPE, "run.json")
    assert "3 lines: 1 pairs" in ledger_text(RECORD["corpora"][0])
    assert "torch 1, then 2" in inexact_lines(RECORD)[0]
    assert "otx 1" in plugins_in_words(RECORD)


@pytest.mark.parametrize(
    "damage",
    [
        {"plugins": [{"kind": "objective"}]},
        {"plugins": {"l2": "1"}},
        {"plugin_changes": "l2"},
        {"corpora": [{"source": "de", "pivot": "en"}]},
        {"corpora": [{"name": "c", "source": "de", "pivot": "en", "ledger": {"read": 3}}]},
        {"corpora": [{"name": "c", "source": "de", "pivot": "en", "ledger": None}]},
        {"inexact": [{"step": 3, "changed": {"torch": "2"}}]},
        {"bitext_hashes": 7},
    ],
)
def test_a_damaged_part_is_refused_where_it_is_read(damage: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"run\.json"):
        check_shape({**RECORD, **damage}, RECORD_SHAPE, "run.json")
