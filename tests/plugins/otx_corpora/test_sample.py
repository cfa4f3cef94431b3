from __future__ import annotations

from pathlib import Path

import pytest

from otx.errors import UsageError
from otx.links.gold import read_gold
from otx_corpora import sample
from otx_corpora.options import SampleOptions
from otx_corpora.sample import LANGUAGES, open_corpora

EMBEDDED = sample.FOLDER
HELD_OUT = 100


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample of two lines a language."""
    folder = tmp_path / "sample"
    folder.mkdir()
    for language in LANGUAGES:
        (folder / f"train.{language}.txt").write_text(f"One {language}.\nTwo {language}.\n")
        (folder / f"train.tok.{language}.txt").write_text(f"One {language} .\nTwo {language} .\n")
    (folder / "heldout.en-de.gold").write_text("0-0\n")
    monkeypatch.setattr(sample, "FOLDER", folder)
    return folder


def test_every_other_language_is_paired_with_the_pivot(small: Path) -> None:
    corpora = open_corpora("", SampleOptions(), "en")
    assert [c.source_language for c in corpora] == ["de", "es", "fr", "ru", "zh"]
    assert {c.pivot_language for c in corpora} == {"en"}
    assert [(c[1].source, c[1].pivot) for c in corpora[:1]] == [("Two de.", "Two en.")]
    corpora = open_corpora("", SampleOptions(), "de")
    assert [c.source_language for c in corpora] == ["en", "es", "fr", "ru", "zh"]


def test_some_languages_and_the_tokenised_form(small: Path) -> None:
    first, second = open_corpora("fr,de", SampleOptions(tokenised=True), "en")
    assert (first.source_language, second.source_language) == ("fr", "de")
    assert first.pretokenised
    assert first[0].source == "One fr ."


def test_gold_links_come_along_where_there_are_any(small: Path) -> None:
    german, spanish = open_corpora("de,es", SampleOptions(), "en")
    assert german.gold == (small / "heldout.en-de.gold", small / "heldout.en-de.src-tgt")
    assert spanish.gold is None


@pytest.mark.parametrize(("spec", "pivot"), [("de,pt", "en"), ("de", "pt"), ("de,en", "en")])
def test_languages_that_cannot_be_paired(small: Path, spec: str, pivot: str) -> None:
    with pytest.raises(UsageError, match=r"the sample has no pt|names the pivot"):
        open_corpora(spec, SampleOptions(), pivot)


def lines(name: str) -> list[str]:
    return (EMBEDDED / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("tokenised", [False, True])
def test_the_embedded_sample_is_whole(tokenised: bool) -> None:
    corpora = open_corpora("", SampleOptions(tokenised=tokenised), "en")
    assert {len(corpus) for corpus in corpora} == {len(lines("train.en.txt"))}
    assert len(corpora[0]) + HELD_OUT >= 500
    assert not any(corpus.problems() for corpus in corpora)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_embedded_forms_have_the_same_text(language: str) -> None:
    for part in ("train", "heldout"):
        plain, cut = lines(f"{part}.{language}.txt"), lines(f"{part}.tok.{language}.txt")
        assert ["".join(text.split()) for text in plain] == ["".join(t.split()) for t in cut]
        if part == "heldout":
            assert len(plain) == HELD_OUT
            assert not set(plain) & set(lines(f"train.{language}.txt"))


@pytest.mark.parametrize("language", ["de", "zh"])
def test_the_embedded_gold_links_are_of_held_out_sentences(language: str) -> None:
    stem = EMBEDDED / f"heldout.en-{language}"
    gold = read_gold(Path(f"{stem}.gold"), Path(f"{stem}.src-tgt"), 0)
    held = set(zip(lines("heldout.tok.en.txt"), lines(f"heldout.tok.{language}.txt"), strict=True))
    assert len(gold) >= 40
    assert {(" ".join(pair.source), " ".join(pair.target)) for pair in gold} <= held
