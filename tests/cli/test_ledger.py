"""Every command gives the same ledger of a corpus, and it adds up to the lines of the files."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.alignment import align as alignment
from otx.cli import run as otx
from tests.examples import examples

GOOD = st.tuples(st.integers(0, 25), st.integers(0, 25)).map(
    lambda pair: (f"Satz {pair[0]} hier", f"Line {pair[1]} there")
)
FAULT = st.sampled_from(["", "  ", "a\x07", "b\0", "c\udcff", "d" * 60])
LINE = st.one_of(
    GOOD, GOOD, GOOD, st.tuples(FAULT, FAULT), st.tuples(st.just("same"), st.just("same"))
)


def is_bad(text: str) -> bool:
    """The truth, said another way than otx does."""
    if not text.strip() or len(text) > 50 or "\udcff" in text:
        return True
    return any(unicodedata.category(letter) == "Cc" for letter in text)


def check(ledger: dict[str, Any], lines: list[tuple[str, str]]) -> None:
    refused = sum(any(map(is_bad, pair)) for pair in lines)
    assert ledger["read"] == len(lines)
    assert sum(ledger["refused"].values()) == refused
    assert ledger["read"] == ledger["used"] + ledger["held_out"] + sum(
        ledger["filtered"].values()
    ) + sum(ledger["refused"].values())
    assert sum(ledger["repaired"].values()) <= ledger["used"]


@examples(10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, min_size=0, max_size=80), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_all_lines_are_accounted_for(
    align: Any,
    capfd: pytest.CaptureFixture[str],
    lines: list[tuple[str, str]],
    ending: str,
    with_mark: bool,
) -> None:
    # At least ten pairs, so that some are held out, and some of these share a sentence.
    lines = lines + [(f"Satz {n} da", f"Line {n // 2} here") for n in range(10)]
    for code, side in (("de", 0), ("en", 1)):
        text = "".join(pair[side] + ending for pair in lines)
        raw = ("\ufeff" * with_mark + text).encode("utf-8", "surrogateescape")
        Path(f"x-{code}.{code}").write_bytes(raw)
    corpus = "de:x-de.de,en:x-en.en"
    options = ["--set", "files.max_characters=50"]
    capfd.readouterr()
    assert otx(["corpus", "stats", corpus, "--json", "--against", "retrieval", *options]) == 0
    (stats,) = json.loads(capfd.readouterr().out)
    check(stats["ledger"], lines)
    more = ["--corpus", corpus, *options, "--set", "data.max_bad=1"]
    more += ["--set", "data.length_ratio=3", "--dry-run", "--json"]
    # The fixture's own corpus is replaced: the last one given would be added to it. The peak of memory takes seconds.
    with mock.patch.object(alignment, "predict_peak", side_effect=RuntimeError("left out")):
        assert otx(["align", "--model", "mini", "--quiet", *more]) == 0
    (corpus_row,) = json.loads(capfd.readouterr().out)["corpora"]
    ledger = corpus_row["ledger"]
    check(ledger, lines)
    assert ledger["held_out"] > 0
    assert {name: ledger[name] for name in ("read", "refused")} == {
        name: stats["ledger"][name] for name in ("read", "refused")
    }


def test_a_run_records_the_ledger_of_its_dry_run(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--dry-run", "--json") == 0
    planned = json.loads(capfd.readouterr().out)["corpora"]
    assert align("--steps", "1", "--run", "r") == 0
    assert json.loads(Path("runs/r/run.json").read_text())["corpora"] == planned


def test_pairs_that_share_a_held_out_sentence_are_filtered(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """They were in no count: 3 of every 2,000 pairs of real bitext."""
    for code, text in (("de", "Satz {}"), ("en", "Line {}")):
        # Each English sentence has two translations.
        numbers = [n if code == "de" else n // 2 for n in range(40)]
        Path(f"en-de.{code}").write_text("".join(text.format(n) + "\n" for n in numbers))
    capfd.readouterr()
    assert otx(["align", "--corpus", "en-de", "--dry-run", "--json", "--quiet"]) == 0
    (row,) = json.loads(capfd.readouterr().out)["corpora"]
    assert row["ledger"]["filtered"]["held-out-sentence"] == row["ledger"]["held_out"] > 0
