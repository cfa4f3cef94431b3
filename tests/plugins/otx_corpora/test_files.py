from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError, UsageError
from otx_corpora.files import open_corpora
from otx_corpora.options import FilesOptions


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "text"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(**files: str) -> None:
    """``de="a b"`` writes en-de.de with two lines."""
    for name, words in files.items():
        Path(f"en-de.{name}").write_text("\n".join(words.split()))


def opened(spec: str, pivot: str = "en", **options: Any) -> tuple[str, str, list[tuple[str, str]]]:
    (corpus,) = open_corpora(spec, FilesOptions(**options), pivot)
    pairs = [(corpus[i].source, corpus[i].pivot) for i in range(len(corpus))]
    return corpus.source_language, corpus.pivot_language, pairs


GOOD = ("de", "en", [("eins", "one"), ("zwei", "two")])


def test_a_prefix_of_two_files(here: Path) -> None:
    write(de="eins zwei", en="one two", origin="x y", fr="un deux")
    assert opened("en-de") == GOOD
    assert opened(str(here / "en-de")) == GOOD
    assert opened("../text/en-de") == GOOD


def test_packed_files(here: Path) -> None:
    Path("en-de.de.gz").write_bytes(gzip.compress(b"eins\nzwei\n"))
    write(en="one two")
    assert opened("en-de") == GOOD
    write(de="plain first")
    assert opened("en-de")[2][0] == ("plain", "one")


def test_the_pivot_is_a_language_not_a_position() -> None:
    write(de="eins zwei", en="one two")
    assert opened("en-de", pivot="de") == ("en", "de", [("one", "eins"), ("two", "zwei")])


def test_a_prefix_without_languages_needs_exactly_two_files() -> None:
    for name, text in [("de", "eins\nzwei"), ("en.gz", None), ("tok", "x"), ("origin", "x")]:
        path = Path(f"train.{name}")
        path.write_bytes(gzip.compress(b"one\ntwo") if text is None else text.encode())
    assert opened("train") == GOOD
    Path("train.fr").write_text("un\ndeux")
    with pytest.raises(UsageError, match=r"needs two files train\.LANGUAGE; there are de, en, fr"):
        opened("train")
    with pytest.raises(UsageError, match="there is none"):
        opened("no/such")


def test_two_files_that_say_their_languages_or_are_told() -> None:
    write(de="eins zwei", en="one two")
    Path("a.txt").write_text("one\ntwo")
    Path("b.txt").write_text("eins\nzwei")
    assert opened("en-de.en,en-de.de") == GOOD
    assert opened("en:a.txt,de:b.txt") == GOOD
    assert opened("de:b.txt,en-de.en") == GOOD
    with pytest.raises(
        UsageError, match=r"the name of corpus file a\.txt has no language .*en:FILE,de:FILE"
    ):
        opened("a.txt,b.txt")
    with pytest.raises(UsageError, match="one language on both sides"):
        opened("en:a.txt,en:b.txt")
    with pytest.raises(UsageError, match="names 3 files"):
        opened("en:a.txt,de:b.txt,fr:c.txt")
    with pytest.raises(DataError, match=r"c\.txt does not exist"):
        opened("en:a.txt,de:c.txt")


def test_a_missing_side_is_named() -> None:
    write(de="eins")
    with pytest.raises(DataError, match=r"there is no file en-de\.en or en-de\.en\.gz"):
        opened("en-de")


def test_the_pivot_must_be_one_of_the_two() -> None:
    write(de="eins", en="one")
    with pytest.raises(UsageError, match="corpus en-de has en and de, but the pivot is fr"):
        opened("en-de", pivot="fr")


def test_options_reach_the_reader() -> None:
    write(de="eins zweiundzwanzig", en="one two")
    (corpus,) = open_corpora("en-de", FilesOptions(pretokenised=True, max_characters=5), "en")
    assert corpus.pretokenised
    assert [problem.kind for problem in corpus.problems()] == ["overlong"]


def test_names_with_pattern_characters(here: Path) -> None:
    for language, text in (("de", "eins\nzwei"), ("en", "one\ntwo")):
        Path(f"x[1]*.{language}").write_text(text)
    assert opened("x[1]*") == GOOD


def test_real_files(shared_data: Path) -> None:
    prefix = shared_data / "bitext" / "tatoeba" / "en-ur"
    source, pivot, pairs = opened(str(prefix))
    assert (source, pivot, len(pairs)) == ("ur", "en", 379)
    prefix = shared_data / "bitext" / "l10n" / "en-ur"  # has an en-ur.origin.gz beside it
    assert len(opened(str(prefix))[2]) == 637
