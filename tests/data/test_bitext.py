from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otx.data.bitext import read_bitext
from otx.errors import DataError
from otx.types import Pair, Problem

GERMAN = [b"eins", b"", b"drei \xff", b"vier", b"f\x00nf", "sechs\u2028und".encode(), b"sieben"]
ENGLISH = [b"one", b"two", b"three", b"   ", b"f\x07ve", b"six", b"seven"]


def read(paths: tuple[Path, Path], **options: Any) -> Any:
    return read_bitext(*paths, languages=("de", "en"), **options)


def test_good_pairs_are_kept_and_bad_ones_said(files: Any) -> None:
    paths = files(b"\n".join(GERMAN), b"\n".join(ENGLISH))
    bitext = read(paths)
    assert [bitext[i] for i in range(len(bitext))] == [
        Pair("eins", "one", 1),
        Pair("sechs und", "six", 6),
        Pair("sieben", "seven", 7),
    ]
    german, english = map(str, paths)
    found = bitext.problems()
    assert [(p.file, p.line, p.kind) for p in found] == [
        (german, 2, "empty"),
        (german, 3, "invalid-utf8"),
        (english, 4, "whitespace"),
        (german, 5, "nul"),
        (english, 5, "control"),
        (german, 6, "line-separator"),
    ]
    assert isinstance(found[0], Problem)
    assert bitext.links() is None
    assert (bitext.source_language, bitext.pivot_language) == ("de", "en")


@pytest.mark.parametrize(
    ("source", "pivot", "message"),
    [
        (b"a\nb\nc\n", b"a\nb\n", r": 3 in .*x\.de, 2 in .*x\.en"),
        (b"a\nb", b"a\nb\nc\n\n", r": 2 in .*x\.de, 4 in .*x\.en"),
        (b"", b"a\n", r": 0 in .*x\.de, 1 in .*x\.en"),
    ],
)
def test_unequal_line_counts_are_refused(
    files: Any, cache: Any, source: Any, pivot: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read(files(source, pivot))
    assert raised.value.exit_code == 3
    assert not list((cache / "bitext").glob("*/pairs.arrow"))


def test_separators_inside_a_line_do_not_shift_the_pairs(files: Any) -> None:
    bitext = read(files("a\u2028b\nc\u2029d\n".encode(), b"1\n2\n"))
    assert [(p.source, p.pivot) for p in map(bitext.__getitem__, range(2))] == [
        ("a b", "1"),
        ("c d", "2"),
    ]


def test_nothing_usable_is_an_empty_corpus_that_says_why(files: Any) -> None:
    for lines, kinds in (
        ((b"\n\n", b"a\n \n"), ["empty", "empty", "whitespace"]),
        ((b"", b""), []),
    ):
        bitext = read(files(*lines))
        assert len(bitext) == 0 and [p.kind for p in bitext.problems()] == kinds


def test_the_cache_is_keyed_by_content_not_by_place(
    files: Any, tmp_path: Path, cache: Path
) -> None:
    paths = files(b"a\nb\n", b"1\n2\n")
    first = read(paths)
    elsewhere = tmp_path / "y.de", tmp_path / "y.en"
    for old, new in zip(paths, elsewhere, strict=True):
        new.write_bytes(old.read_bytes())
    second = read(elsewhere)
    assert second.folder == first.folder
    assert second.fingerprint() == first.fingerprint()
    paths[0].write_bytes(b"a\nB\n")
    third = read(paths)
    assert third.folder != first.folder
    assert third.fingerprint() != first.fingerprint()
    assert third[1].source == "B"


def test_the_fingerprint_is_of_text_lines_languages_and_tokenisation(files: Any) -> None:
    def fingerprint(source: bytes, pivot: bytes, **options: Any) -> str:
        return read_bitext(
            *files(source, pivot), **{"languages": ("de", "en"), **options}
        ).fingerprint()

    prints = [
        fingerprint(b"a\nb\n", b"1\n2\n"),
        fingerprint(b"a\nb\n", b"1\n3\n"),
        fingerprint(b"b\na\n", b"2\n1\n"),
        fingerprint(b"\na\nb\n", b"\n1\n2\n"),
        fingerprint(b"a\nb\n", b"1\n2\n", languages=("fr", "en")),
        fingerprint(b"a\nb\n", b"1\n2\n", pretokenised=True),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(b"a\r\nb", b"1\n2") == prints[0]


def test_a_damaged_cache_is_built_anew(files: Any) -> None:
    paths = files(b"a\nb\n", b"1\n2\n")
    folder = read(paths).folder
    (folder / "pairs.arrow").write_bytes(b"")
    assert read(paths)[1] == Pair("b", "2", 2)
    (folder / "manifest.json").unlink()
    assert read(paths)[1] == Pair("b", "2", 2)


def test_a_flipped_letter_in_the_cache_is_never_read(files: Any) -> None:
    paths = files(b"Hund und Katze\nb\n", b"1\n2\n")
    before = read(paths)
    pairs = before.folder / "pairs.arrow"
    raw = pairs.read_bytes()
    pairs.write_bytes(raw.replace(b"Hund", b"Hunt"))
    assert read(paths)[0].source == "Hund und Katze"
    (before.folder / "record.json").write_text("{}".ljust(45))
    assert read(paths).fingerprint() == before.fingerprint()


def test_many_pairs_over_several_blocks(files: Any) -> None:
    source = [f"Satz {i}" for i in range(2_500)]
    pivot = [f"sentence {i}" for i in range(2_500)]
    bitext = read(files("\n".join(source).encode(), "\n".join(pivot).encode()))
    assert len(bitext) == 2_500
    picked = bitext.pick(np.array([2_499, 0, 1_000]))
    assert picked == [
        Pair("Satz 2499", "sentence 2499", 2500),
        Pair("Satz 0", "sentence 0", 1),
        Pair("Satz 1000", "sentence 1000", 1001),
    ]
    with pytest.raises(IndexError):
        bitext[2_500]


def test_real_bitext_keeps_what_zip_would(shared_data: Path) -> None:
    folder = shared_data / "bitext" / "tatoeba"
    paths = [folder / f"en-ur.{language}.gz" for language in ("ur", "en")]
    bitext = read_bitext(*paths, languages=("ur", "en"))
    texts = [gzip.decompress(path.read_bytes()).decode().split("\n")[:-1] for path in paths]
    assert not Counter(problem.kind for problem in bitext.problems())
    assert [(p.source, p.pivot) for p in map(bitext.__getitem__, range(len(bitext)))] == list(
        zip(*texts, strict=True)
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(files: Any, encoding: str) -> None:
    text = "eins ä\r\nzwei 你\r\n"
    mark = "\ufeff" if encoding.endswith("e") else ""
    bitext = read(files((mark + text).encode(encoding), b"one\ntwo\n"))
    assert [(p.source, p.line) for p in bitext.pick(np.arange(2))] == [
        ("eins ä", 1),
        ("zwei 你", 2),
    ]
    assert [p.kind for p in bitext.problems()] == ["bom", "crlf"]


def test_the_encoding_may_be_given_and_counts_in_the_cache_only(files: Any) -> None:
    german, english = "Schöne Grüße\nzwei\n", b"best regards\ntwo\n"
    bitext = read(files(german.encode("cp1252"), english), encoding="cp1252")
    assert bitext[0].source == "Schöne Grüße"
    same = read(files(german.encode(), english))
    assert bitext.fingerprint() == same.fingerprint() and bitext.folder != same.folder
    (problem,) = read(files(german.encode("cp1252"), english)).problems()
    assert (problem.kind, problem.line) == ("invalid-utf8", 1)
    damaged = read(files("eins\nzw".encode("utf-16") + b"\x00\xd8", b"a\nb\n"))
    (_, problem) = damaged.problems()
    assert (problem.kind, problem.reason) == ("invalid-utf8", "not UTF-16-LE")
