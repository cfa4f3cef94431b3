from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from otx.data.tokenised import VERSION, tokenise
from otx.data.tokenizer_rules import tokenizer_digest
from otx.errors import UsageError
from otx.files.digests import short_key

PAIRS = [("ab c?", "xyz"), ("??", "x y z"), ("lang genug um zu enden", "w"), ("a", "toolongword")]


def keys(cache: Path) -> set[str]:
    """Return the keys of what the cache has of tokenised text."""
    return {folder.name for folder in (cache / "tokenised").iterdir() if folder.is_dir()}


def test_rows_are_the_encoder_s(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    texts, letters = corpus(PAIRS), encoder(max_length=10)
    pairs = tokenise(texts, letters, tmp_path)
    assert len(pairs) == 4
    source, pivot, lines = pairs.rows(np.array([2, 0]))
    assert source == letters.tokenise([PAIRS[2][0], PAIRS[0][0]])
    assert pivot == letters.tokenise([PAIRS[2][1], PAIRS[0][1]])
    assert lines == [3, 1]


def test_lengths_are_of_whole_rows_and_zero_where_no_word_is_left(
    corpus: Any, encoder: Any, tmp_path: Path
) -> None:
    pairs = tokenise(corpus(PAIRS), encoder(max_length=10), tmp_path)
    assert pairs.lengths.tolist() == [[6, 5], [4, 5], [6, 3], [0, 0]]
    wordless, *cut = pairs.problems()
    assert (wordless.line, wordless.kind) == (4, "wordless")
    assert {problem.kind for problem in cut} <= {"cut"}
    rows = [pairs.rows(np.array([row])) for row in range(3)]
    lost = {line[0]: one[0].cut + other[0].cut for one, other, line in rows}
    told = {problem.line: int(problem.reason.split()[0]) for problem in cut}
    assert told == {line: words for line, words in lost.items() if words}


def test_cuts_and_unknown_subwords_are_counted_by_language(
    corpus: Any, encoder: Any, tmp_path: Path
) -> None:
    pairs = tokenise(corpus(PAIRS), encoder(max_length=10), tmp_path)
    assert pairs.cut_sides == {"de": 1, "en": 1}
    assert {name: count.cut_words for name, count in pairs.counts.items()} == {"de": 4, "en": 1}
    assert pairs.unknown_rate == {"de": 3 / 11, "en": 0.0}
    assert pairs.counts["de"].words == 2 + 1 + 1 + 1


def test_the_cache_is_keyed_by_text_tokenizer_and_length(
    corpus: Any, encoder: Any, tmp_path: Path
) -> None:
    first = encoder()
    tokenise(corpus(PAIRS), first, tmp_path)
    calls = first.calls
    again = tokenise(corpus(PAIRS), first, tmp_path)  # its truncation state has changed meanwhile
    assert first.calls == calls
    assert again.rows(np.array([1]))[1] == first.tokenise(["x y z"])
    for other, texts in [
        (encoder(max_length=9), PAIRS),
        (encoder(marker="b"), PAIRS),
        (encoder(), PAIRS[:3]),
    ]:
        tokenise(corpus(texts), other, tmp_path)
        assert other.calls > 0


def test_the_limit_of_a_run_is_the_lower_one_and_keys_like_an_encoder_s(
    corpus: Any, encoder: Any, tmp_path: Path
) -> None:
    own = encoder(max_length=9)
    rows = tokenise(corpus(PAIRS), own, tmp_path).rows(np.array([2]))
    (key,) = keys(tmp_path)
    roomy = encoder(max_length=100)
    for limit, used in [(9, roomy), (9, own), (200, own), (None, own)]:
        calls = used.calls
        pairs = tokenise(corpus(PAIRS), used, tmp_path, max_length=limit)
        assert used.calls == calls and pairs.rows(np.array([2])) == rows
    assert roomy.max_length == 100
    assert keys(tmp_path) == {key}
    kind = f"{type(own).__module__}.{type(own).__qualname__}"
    text = corpus(PAIRS).fingerprint()
    assert key == short_key(VERSION, text, tokenizer_digest(own.tokenizer), 9, kind)
    tokenise(corpus(PAIRS), roomy, tmp_path, max_length=10)
    assert roomy.calls > 0 and len(keys(tmp_path)) == 2


def test_many_rows_keep_their_places(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    texts = [("a" * (i % 7 + 1), f"n {i}") for i in range(2_300)]
    pairs = tokenise(corpus(texts), encoder(), tmp_path)
    assert pairs.lengths[:, 0].tolist() == [i % 7 + 3 for i in range(2_300)]
    _, pivot, lines = pairs.rows(np.array([2_299, 5, 1_500]))
    assert lines == [2_300, 6, 1_501]
    assert pivot == encoder().tokenise(["n 2299", "n 5", "n 1500"])


def test_a_slow_tokenizer_is_refused(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    slow = encoder()
    slow.tokenizer = SimpleNamespace(unk_token_id=0)
    with pytest.raises(UsageError, match="not a fast tokenizer"):
        tokenise(corpus(PAIRS), slow, tmp_path)
