"""A reduced encoder: the same sub-words on every text that it was made for, and the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otx_encoders.e5_small.packed import PackedModel
from scripts.laboratory.vocabulary import (
    WORDS,
    first_difference,
    reduce_vocabulary,
    texts_of,
    used_pieces,
)

pytest.importorskip("sentencepiece", reason="sentencepiece (otx[e5]) is not installed")
TEXTS = ["ab cd", "d abcd", "aé b"]


def test_kept_are_used_pieces_special_ones_and_the_characters_of_both(
    whole: PackedModel, build: object
) -> None:
    kept = used_pieces(whole, build(whole), TEXTS)  # type: ignore[operator]
    pieces = [whole.pieces[place] for place in kept]
    assert {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁ab", "cd", "é"} <= set(pieces)
    assert {"a", "b", "c", "d", "▁"} <= set(pieces)
    assert not {"e", "f", "g", "h"} & set(pieces)
    assert list(kept) == sorted(kept)


def test_token_ids_map_one_to_one_and_rows_stay_as_they_were(
    whole: PackedModel, build: object
) -> None:
    tokenizer = build(whole)  # type: ignore[operator]
    kept = used_pieces(whole, tokenizer, TEXTS)
    reduced = reduce_vocabulary(whole, kept)
    assert first_difference(tokenizer, build(reduced), kept, TEXTS) is None  # type: ignore[operator]
    rows, before = reduced.shape.vocabulary, whole.shape.vocabulary
    pieceless = np.arange(len(whole.pieces), before)
    width = whole.shape.hidden
    old = whole.tensors[WORDS].unpack().reshape(before, width)
    new = reduced.tensors[WORDS].unpack().reshape(rows, width)
    assert np.array_equal(new, old[np.concatenate([kept, pieceless])])
    assert {reduced.pieces[i] for i in reduced.special.values()} == {
        whole.pieces[i] for i in whole.special.values()
    }
    assert all(
        reduced.tensors[name] is whole.tensors[name] for name in whole.tensors if name != WORDS
    )


def test_a_text_that_lost_a_piece_is_found(whole: PackedModel, build: object) -> None:
    tokenizer = build(whole)  # type: ignore[operator]
    kept = used_pieces(whole, tokenizer, ["a b c d"])
    reduced = build(reduce_vocabulary(whole, kept))  # type: ignore[operator]
    assert first_difference(tokenizer, reduced, kept, ["a b", "a ab", "b"]) == "a ab"


def test_texts_of_files(tmp_path: Path) -> None:
    questions = {"data": [{"title": "T", "qas": [{"id": "f00", "question": "Q?", "n": 3}]}]}
    files = {
        "a.json": json.dumps(questions),
        "b.tsv": "one two\tthree\n\n",
        "c.src-tgt": "eins zwei ||| one two\n",
        "d.gold": "0-0 1-1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert list(texts_of(tmp_path / "a.json")) == ["T", "Q?"]
    assert list(texts_of(tmp_path / "b.tsv")) == ["one two", "three"]
    assert list(texts_of(tmp_path / "c.src-tgt")) == ["eins zwei", "one two"]
    assert not list(texts_of(tmp_path / "d.gold"))
