from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError
from otx.links.dictionary import dictionary_links, fold, read_dictionary

words = st.lists(st.sampled_from("abcd"), max_size=6)
entries = st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), max_size=8)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_pairs_is_read_whatever_stands_between(tmp_path: Path, packed: bool) -> None:
    text = b"Hund\tdog\nKatze cat\n\nhund hound\nSTRASSE   street\n"
    path = tmp_path / ("d.txt.gz" if packed else "d.txt")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = read_dictionary(path)
    assert found["hund"] == {"dog", "hound"}
    assert found[fold("Straße")] == {"street"}


@pytest.mark.parametrize("line", ["allein", "ein paar Worte"])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "d.txt").write_text(f"Hund dog\n{line}\n")
    with pytest.raises(DataError, match=r"d\.txt:2: \d words instead of 2"):
        read_dictionary(tmp_path / "d.txt")


def test_only_what_leaves_no_choice_is_linked() -> None:
    dictionary = {"der": {"the"}, "hund": {"dog", "hound"}, "die": {"the"}, "katze": {"cat"}}
    frozen = {word: frozenset(others) for word, others in dictionary.items()}
    # "the" is there twice, and "die" could be either.
    source = ["Der", "Hund", "sieht", "die", "Katze"]
    assert dictionary_links(source, ["The", "dog", "sees", "the", "cat"], frozen) == {
        (1, 1),
        (4, 4),
    }
    # Two translations of Hund in one sentence.
    assert dictionary_links(["Hund"], ["dog", "hound"], frozen) == frozenset()


@given(words, st.lists(st.sampled_from("wxyz"), max_size=6), entries)
def test_it_is_a_search_over_all_pairs(
    source: list[str], pivot: list[str], pairs: set[tuple[str, str]]
) -> None:
    dictionary = {word: frozenset(o for w, o in pairs if w == word) for word, _ in pairs}
    wanted = set()
    for i, word in enumerate(source):
        for j, other in enumerate(pivot):
            rivals = [(a, b) for a in set(source) for b in set(pivot) if (a, b) in pairs]
            mine = [(a, b) for a, b in rivals if a == word or b == other]
            lone = source.count(word) == 1 == pivot.count(other)
            if lone and mine == [(word, other)]:
                wanted.add((i, j))
    assert dictionary_links(source, pivot, dictionary) == wanted
