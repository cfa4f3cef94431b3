"""The embedded sample's files, read as they lie in the repository."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "plugins" / "otx_corpora" / "sample"
LANGUAGES = ("en", "de", "es", "fr", "ru", "zh")
PARTS = {"train": 460, "heldout": 100}
GOLD = ("de", "zh")
LINK = re.compile(r"([0-9]+)([-p])([0-9]+)")


def _lines(name: str) -> Any:
    content = (FOLDER / name).read_bytes()
    assert content.endswith(b"\n") and b"\r" not in content
    return content.decode("utf-8").split("\n")[:-1]


def _normal(line: Any) -> Any:
    folded = unicodedata.normalize("NFKC", line).lower()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LN")


def _pairs(language: str) -> Any:
    return [row.split(" ||| ") for row in _lines(f"heldout.en-{language}.src-tgt")]


def _links(language: str) -> Any:
    found = []
    for row in _lines(f"heldout.en-{language}.gold"):
        matches = [LINK.fullmatch(item) for item in row.split(" ")]
        assert all(matches), row
        found.append([(int(m[1]), int(m[3]), m[2]) for m in matches])
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_as_many_lines_in_every_language(part: Any, language: str) -> None:
    assert len(_lines(f"{part}.{language}.txt")) == PARTS[part]
    assert len(_lines(f"{part}.tok.{language}.txt")) == PARTS[part]


def test_there_are_at_least_five_hundred_sentences() -> None:
    assert sum(len(_lines(f"{part}.en.txt")) for part in PARTS) >= 500


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.*-*")) + sorted(FOLDER.glob("*.txt")))
def test_text_is_composed_and_no_line_is_empty_or_padded(path: Any) -> None:
    lines = _lines(path.name)
    assert all(unicodedata.is_normalized("NFC", line) for line in lines)
    assert all(line and line == " ".join(line.split()) for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_occurs_twice(language: str) -> None:
    lines = [line for part in PARTS for line in _lines(f"{part}.{language}.txt")]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_sentence_is_trained_on(language: str) -> None:
    train, held_out = ({_normal(line) for line in _lines(f"{p}.{language}.txt")} for p in PARTS)
    assert "" not in train | held_out
    assert not train & held_out


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", PARTS)
def test_tokens_are_the_plain_text_without_its_spaces(part: Any, language: str) -> None:
    plain, tokens = _lines(f"{part}.{language}.txt"), _lines(f"{part}.tok.{language}.txt")
    assert [line.replace(" ", "") for line in plain] == [line.replace(" ", "") for line in tokens]


@pytest.mark.parametrize("part", PARTS)
def test_english_sentences_have_four_to_thirty_words(part: Any) -> None:
    assert all(4 <= len(line.split()) <= 30 for line in _lines(f"{part}.en.txt"))


@pytest.mark.parametrize("language", GOLD)
def test_aligned_sentences_are_the_first_held_out_ones_as_tokenised(language: str) -> None:
    pairs = _pairs(language)
    sides = _lines("heldout.tok.en.txt"), _lines(f"heldout.tok.{language}.txt")
    assert pairs == [list(pair) for pair in zip(*sides, strict=True)][: len(pairs)]
    assert all(6 <= len(english.split()) <= 20 for english, _ in pairs)


@pytest.mark.parametrize("language", GOLD)
def test_at_least_forty_sentences_have_gold_links_and_each_a_sure_one(language: str) -> None:
    rows = _links(language)
    assert len(rows) == len(_pairs(language)) >= 40
    assert all(any(kind == "-" for _, _, kind in row) for row in rows)


@pytest.mark.parametrize("language", GOLD)
def test_gold_links_are_between_words_that_are_there(language: str) -> None:
    for (english, other), row in zip(_pairs(language), _links(language), strict=True):
        assert all(i < len(english.split()) and j < len(other.split()) for i, j, _ in row)


@pytest.mark.parametrize("language", GOLD)
def test_a_gold_link_is_written_once_as_sure_or_as_possible(language: str) -> None:
    for row in _links(language):
        places = [(i, j) for i, j, _ in row]
        assert len(set(places)) == len(places)
