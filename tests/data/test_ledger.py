"""Ledgers: every line is counted once, whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from otx.data.ledger import Ledger, count_lines, count_used, kinds_text, ledger_text
from otx.types import Problem


def test_a_line_is_counted_once_under_its_first_fault(corpus: Any) -> None:
    made = corpus([("eins", "one"), ("zwei", "two")])
    made.refused = [
        Problem("x.de", 1, "bom", "dropped"),
        Problem("x.de", 1, "crlf", "dropped"),
        Problem("x.de", 3, "empty", "nothing in the line"),
        Problem("x.en", 3, "nul", "U+0000"),
        Problem("x.de", 4, "crlf", "dropped"),
        Problem("x.en", 4, "control", "U+0007"),
    ]
    assert count_lines(made) == Ledger(
        read=4, used=2, refused={"empty": 1, "control": 1}, repaired={"bom": 1}
    )
    for line, repaired in ((2, {}), (1, {"bom": 1})):
        blocks = [np.array([line]), np.array([], dtype=int)]
        held_out = count_used(made, 1, iter(blocks), held_out=1, filtered={"duplicate": 0})
        refused = {"empty": 1, "control": 1}
        assert held_out == Ledger(4, 1, 1, {"duplicate": 0}, refused, repaired)


def test_a_ledger_reads_well() -> None:
    assert kinds_text({"empty": 2, "nul": 1, "bom": 0}, "refused") == "3 refused (2 empty, 1 nul)"
    ledger = {"read": 9, "used": 5, "held_out": 2, "filtered": {}, "refused": {"empty": 2}}
    text = "9 lines: 5 pairs to train on, 2 held out, 0 filtered, 2 refused (2 empty)"
    assert ledger_text({"ledger": {**ledger, "repaired": {}}}) == text
    assert ledger_text({"ledger": {**ledger, "repaired": {"crlf": 1}}}) == (
        f"{text}, 1 repaired (1 crlf)"
    )
    before = {"pairs": 1, "held_out": 2, "filtered": {"duplicate": 3}, "refused": 4}
    assert ledger_text(before) == "1 pairs, 2 held out, 3 filtered, 4 refused"
