"""Rows against tokenising word by word, and against a naive cut that takes whole words while they fit."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.types import TokenRow
from otx_encoders.tokenisation import tokenise
from tests.examples import examples

WORDS = [
    "The",
    "quick",
    "brown",
    "Bären",
    "mañana",
    "ёжик",
    "Ελλάδα",
    "在",
    "河边",
    "狐狸",
    "กินข้าว",
    "नमस्ते",
    "Unicode,",
    "2024!",
    "xyzzyx",
]
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12)
FIXTURES = examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def naive(tokenizer: Any, words: list[str], max_length: int) -> TokenRow:
    """Whole words, each tokenised on its own, while they fit between two special tokens."""
    ids, index, kept = [], [], 0
    for number, word in enumerate(words):
        pieces = tokenizer(word, add_special_tokens=False)["input_ids"]
        if len(ids) + len(pieces) > max_length - 2:
            break
        ids += pieces
        index += [number] * len(pieces)
        kept += 1
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    return TokenRow([first, *ids, last], [-1, *index, -1], kept, len(words) - kept)


@FIXTURES
@given(st.lists(SENTENCES, min_size=1, max_size=4), st.integers(3, 40), st.booleans())
def test_rows_are_those_of_the_naive_cut(
    cased: Any, unigram: Any, sentences: list, max_length: int, pieces: bool
) -> None:
    tokenizer = unigram if pieces else cased
    rows = tokenise(tokenizer, [" ".join(s) for s in sentences], max_length, pretokenised=True)
    assert rows == [naive(tokenizer, sentence, max_length) for sentence in sentences]


@FIXTURES
@given(SENTENCES, st.integers(3, 30))
def test_a_shorter_limit_only_drops_words_from_the_end(cased: Any, words: list, limit: int) -> None:
    (whole,) = tokenise(cased, [" ".join(words)], 10_000, pretokenised=False)
    (cut,) = tokenise(cased, [" ".join(words)], limit, pretokenised=False)
    kept = len(cut.ids) - 1
    assert cut.ids[:kept] == whole.ids[:kept] and cut.ids[-1] == whole.ids[-1]
    assert cut.word_index[:kept] == whole.word_index[:kept]
    assert cut.words + cut.cut == whole.words and whole.cut == 0
    assert len(cut.ids) <= limit
    following = whole.word_index[kept]
    assert following == -1 or following not in cut.word_index


def test_plain_text_is_cut_at_unicode_words(cased: Any) -> None:
    (row,) = tokenise(cased, ["Berlin, 2024!"], 64, pretokenised=False)
    text = cased.convert_ids_to_tokens(row.ids)
    words: dict[int, str] = {}
    for piece, word in zip(text, row.word_index, strict=True):
        words[word] = words.get(word, "") + piece.removeprefix("##")
    assert words == {-1: "[CLS][SEP]", 0: "Berlin", 1: ",", 2: "2024", 3: "!"}


@pytest.mark.parametrize("texts", [[], ["", "   "]])
def test_texts_without_words_are_rows_of_special_tokens(cased: Any, texts: list) -> None:
    rows = tokenise(cased, texts, 16, pretokenised=True)
    assert rows == [TokenRow([2, 3], [-1, -1], 0, 0) for _ in texts]


def test_a_first_word_that_does_not_fit_leaves_no_word(cased: Any) -> None:
    (row,) = tokenise(cased, ["xyzzyxxyzzyx fox"], 4, pretokenised=True)
    assert row == TokenRow([2, 3], [-1, -1], 0, 2)


def test_the_tokenizer_keeps_no_truncation(cased: Any) -> None:
    tokenise(cased, ["The quick brown fox"], 4, pretokenised=True)
    assert cased.backend_tokenizer.truncation is None and cased.backend_tokenizer.padding is None
