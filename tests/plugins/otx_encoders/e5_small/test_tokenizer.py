from __future__ import annotations

from dataclasses import replace

import pytest

from otx.errors import DataError
from otx_encoders.e5_small.packed import PackedModel
from otx_encoders.e5_small.tokenizer import build_tokenizer, compile_characters

pytest.importorskip("sentencepiece", reason="sentencepiece (otx[e5]) is not installed")


def test_single_characters_become_what_the_map_says_and_nothing_else() -> None:
    from tokenizers.normalizers import Precompiled

    characters = {"\u200d": " ", "ﬁ": "fi", "\x01": "", "Ａ": "A"}
    normalise = Precompiled(compile_characters(characters)).normalize_str
    for code in [*range(1, 0x3400), *range(0x3400, 0x110000, 37), *map(ord, characters)]:
        if not 0xD800 <= code < 0xE000:
            assert normalise(chr(code)) == characters.get(chr(code), chr(code))


def test_letters_and_accents_compose() -> None:
    from tokenizers.normalizers import Precompiled

    normalise = Precompiled(compile_characters({})).normalize_str
    assert normalise("e\u0301t\u0065\u0302") == "étê"


@pytest.mark.usefixtures("compiled_once")
def test_texts_are_framed_as_xlm_r_frames_them(packed: PackedModel) -> None:
    tokenizer = build_tokenizer(packed)
    one = tokenizer.encode("ab")
    assert one.tokens == ["<s>", "▁ab", "</s>"]
    two = tokenizer.encode("ab", "cd")
    assert two.tokens == ["<s>", "▁ab", "</s>", "</s>", "▁", "cd", "</s>"]
    assert two.type_ids == [0] * 7
    assert tokenizer.encode("<mask>").ids == [0, packed.pieces.index("<mask>"), 2]


@pytest.mark.usefixtures("compiled_once")
@pytest.mark.parametrize("text", ["ab cd", " ab  cd ", "ab\u00a0cd", "ab\u200dcd"])
def test_spaces_go_as_in_sentencepiece(packed: PackedModel, text: str) -> None:
    assert build_tokenizer(packed).encode(text).tokens == ["<s>", "▁ab", "▁", "cd", "</s>"]


def test_a_vocabulary_without_a_special_token_is_refused(packed: PackedModel) -> None:
    other = replace(packed, pieces=[*packed.pieces[:-1], "mask"])
    with pytest.raises(DataError, match="no piece <mask>"):
        build_tokenizer(other)
