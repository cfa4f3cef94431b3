"""Word vectors of many texts and their links, against each text and each pair by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otx.links.methods import METHODS, MethodSettings, find_links
from otx.links.word_vectors import encode_words, link_texts
from otx.types import TokenRow
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions
from tests.tiny import save_tiny_model

TEXTS = [
    "a dog",
    "",
    "the river is long and the bridge is old",
    "no",
    "three words here",
    "one more sentence, of some length, with commas",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceEncoder:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"), hidden_size=32, intermediate_size=48)
    return HuggingFaceEncoder(str(folder), EncoderOptions())


@pytest.mark.parametrize("vector", ["last", "mean"])
@pytest.mark.parametrize("tokens", [1, 30, 1000])
def test_vectors_are_those_of_each_text(
    encoder: HuggingFaceEncoder, vector: str, tokens: int
) -> None:
    rows = encoder.tokenise(TEXTS)
    words = encode_words(encoder, rows, layer=-1, word_vector=vector, batch_tokens=tokens)  # type: ignore[arg-type]
    assert words.sizes.tolist() == [row.words for row in rows]
    for text, row in enumerate(rows):
        vectors, mask = words.padded(np.array([text]))
        with torch.no_grad():
            alone = encoder.encode(encoder.collate([row])).words(-1, vector)  # type: ignore[arg-type]
        assert torch.equal(mask, alone[1])
        torch.testing.assert_close(vectors[mask], alone[0][mask], atol=1e-5, rtol=1e-5)


def test_a_word_without_a_subword_keeps_its_number(encoder: HuggingFaceEncoder) -> None:
    rows = [TokenRow([0, 7, 8, 2], [-1, 0, 2, -1], 2, 0), TokenRow([0, 2], [-1, -1], 0, 0)]
    words = encode_words(encoder, rows, layer=-1, word_vector="last", batch_tokens=100)
    assert words.padded(np.array([0, 1]))[1].tolist() == [[True, False, True], [False] * 3]


@pytest.mark.parametrize("method", [*METHODS])
def test_links_of_many_pairs_are_those_of_each(
    encoder: HuggingFaceEncoder, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otx.links.word_vectors.GROUP_WORDS", 20)
    settings = MethodSettings(method)  # type: ignore[arg-type]
    rows = encoder.tokenise(TEXTS)
    words = encode_words(encoder, rows, layer=-1, word_vector="last", batch_tokens=50)
    sources, targets = np.array([0, 2, 5, 1, 4, 2, 3]), np.array([4, 5, 2, 0, 0, 2, 3])
    table = link_texts(words, sources, targets, settings)
    links = [*zip(table.pair.tolist(), table.source.tolist(), table.target.tolist(), strict=True)]
    assert links == sorted(links)
    for pair, (one, other) in enumerate(zip(sources, targets, strict=True)):
        x, y = words.padded(sources[[pair]]), words.padded(targets[[pair]])
        (alone,) = find_links(*x, *y, settings)
        assert {(i, j) for p, i, j in links if p == pair} == alone.links
        assert bool(rows[one].words and rows[other].words) or not alone.links


def test_no_pairs_have_no_links(encoder: HuggingFaceEncoder) -> None:
    words = encode_words(encoder, [], layer=-1, word_vector="last", batch_tokens=50)
    none = np.zeros(0, dtype=np.int64)
    assert len(link_texts(words, none, none, MethodSettings()).pair) == 0
