from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from otx.data.idf import Idf
from otx.data.tokenised import tokenise


def test_weights_are_smooth_idf_of_words(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    texts = ["the cat the", "the dog", "a dog saw the cat", "rain"]
    letters = encoder()
    pairs = tokenise(corpus([(text, "x") for text in texts]), letters, tmp_path)
    weights = Idf.count(pairs, "source").weights(letters.tokenise(texts))
    for text, row in zip(texts, weights, strict=True):
        words = text.split()
        holding = [sum(word in other.split() for other in texts) for word in words]
        truth = [math.log((1 + len(texts)) / (1 + df)) + 1 for df in holding]
        np.testing.assert_allclose(row[: len(words)], truth, rtol=1e-6)
        assert not row[len(words) :].any()


def test_values_by_hand(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    letters = encoder()
    pairs = tokenise(corpus([("a b", "x"), ("a", "x y")]), letters, tmp_path)
    weights = Idf.count(pairs, "source").weights(letters.tokenise(["a b new", ""]))
    log = np.log
    np.testing.assert_allclose(weights, [[1, log(3 / 2) + 1, log(3) + 1], [0, 0, 0]], rtol=1e-6)
    assert weights.dtype == np.float32
    pivot = Idf.count(pairs, "pivot").weights(letters.tokenise(["x y"]))
    np.testing.assert_allclose(pivot, [[1, log(3 / 2) + 1]], rtol=1e-6)


def test_a_vanished_word_weighs_nothing(corpus: Any, encoder: Any, tmp_path: Path) -> None:
    letters = encoder()
    idf = Idf.count(tokenise(corpus([("a", "x")]), letters, tmp_path), "source")
    (row,) = letters.tokenise(["a b"])
    row = replace(row, word_index=[-1, 0, 2, -1])
    assert (idf.weights([row]) > 0).tolist() == [[True, False, True]]
