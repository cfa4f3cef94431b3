from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import regex

from otx.data import derived, pair_hashes
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.holdout import split
from otx.data.overlap import sentence_hashes


def test_what_depends_on_hashes_is_computed_anew_with_other_tables_of_unicode(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path))
    monkeypatch.setattr(derived, "FEW", 0)
    pairs = corpus([(f"source {n}", f"pivot {n}") for n in range(20)])

    def counts() -> tuple[int, int, int]:
        kept, _ = filter_corpus(pairs, FilterSettings())
        return len(kept), len(sentence_hashes([pairs])), len(split([pairs], 2, 0)[0].select)

    assert counts() == counts() == (20, 40, 1)
    # An upgrade after which all sentences of a language are the same.
    monkeypatch.setattr(regex, "__version__", "another")
    monkeypatch.setattr(pair_hashes, "normal_form", lambda text: text.split()[0])
    assert counts() == (1, 2, 0)
