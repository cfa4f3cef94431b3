"""Tokenizers that lower-case or strip accents: refused over a cased vocabulary, noted otherwise."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import normalizers

from otx.errors import DataError
from otx_encoders.tokenizer_checks import (
    CHECKS,
    EVIDENCE,
    NormalisationCheck,
    check_normalisation,
    piece_texts,
)

LOWER, STRIP = CHECKS


def texts(tokenizer: Any) -> list[str]:
    return piece_texts(tokenizer, tokenizer.get_vocab())


def test_a_cased_tokenizer_loses_no_letter(cased: Any, unigram: Any) -> None:
    for tokenizer in (cased, unigram):
        assert check_normalisation(tokenizer, tokenizer.get_vocab(), "it") == []


def test_an_uncased_tokenizer_over_its_own_vocabulary_is_noted(uncased: Any) -> None:
    assert check_normalisation(uncased, uncased.get_vocab(), "it") == [
        "the tokenizer lower-cases: B becomes b",
        "the tokenizer strips accents: é becomes e",
    ]


def test_lower_casing_over_a_cased_vocabulary_is_refused(misread: Any) -> None:
    with pytest.raises(DataError, match=r"my-model: .*lower-cases \(B becomes b\).*has capitals"):
        check_normalisation(misread, misread.get_vocab(), "my-model")


def test_stripping_accents_alone_is_refused_as_well(misread: Any) -> None:
    inner = misread.backend_tokenizer
    before = inner.normalizer
    try:
        inner.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
        with pytest.raises(DataError, match=r"strips accents .*strip_accents to false"):
            check_normalisation(misread, misread.get_vocab(), "it")
    finally:
        inner.normalizer = before


def test_an_uncased_vocabulary_read_with_capitals_is_refused(blind: Any) -> None:
    assert blind.tokenize("B") == ["[UNK]"] and blind.tokenize("b") == ["b"]
    with pytest.raises(DataError, match=r"knows no capitals \(B is unknown.*do_lower_case to true"):
        check_normalisation(blind, blind.get_vocab(), "it")


def test_what_is_lost_is_seen_in_every_script(uncased: Any) -> None:
    def lost(check: NormalisationCheck) -> set[str]:
        return {letter for letter, (own, plain) in check.read(uncased).items() if own == plain}

    assert set("éйёά") | {"กี", "कु"} <= lost(STRIP)
    assert {"B", "Ж", "Ω"} <= lost(LOWER)


def test_the_share_counts_pieces_and_not_special_tokens(cased: Any, uncased: Any) -> None:
    vocabulary = set(cased.get_vocab()) - {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    capitals = [piece for piece in vocabulary if piece != piece.lower()]
    assert LOWER.share(texts(cased)) == pytest.approx(len(capitals) / len(vocabulary))
    assert LOWER.share(texts(uncased)) == 0


def test_every_sample_letter_has_a_plainer_form() -> None:
    for check in CHECKS:
        assert all(check.plain(letter) != letter for letter in check.letters)
        assert all(check.has(letter) for letter in check.letters)


def test_the_real_multilingual_vocabulary_read_rightly_and_wrongly(
    shared_data: Path,
) -> None:
    packed = (shared_data / "vocab/mbert_modified_vocab.txt.gz").read_bytes()
    entries = gzip.decompress(packed).decode().splitlines()
    vocabulary = {piece: number for number, piece in enumerate(entries)}
    right = transformers.BertTokenizerFast(vocab=vocabulary, do_lower_case=False)
    assert check_normalisation(right, right.get_vocab(), "mbert") == []
    assert all(check.share(texts(right)) > EVIDENCE for check in CHECKS)
    wrong = transformers.BertTokenizerFast(vocab=vocabulary, do_lower_case=True)
    assert wrong.tokenize("Việt") == wrong.tokenize("viet")
    with pytest.raises(DataError, match="lower-cases"):
        check_normalisation(wrong, wrong.get_vocab(), "mbert")
