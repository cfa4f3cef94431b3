"""A corpus that keeps its contract passes; each way to break it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

import otx_corpora
from otx.errors import PluginError
from otx.plugin_host.registry import Registry
from otx.testing import check_corpus
from otx.types import Pair, Problem

PAIRS = [Pair("ein Hund", "a dog", 1), Pair("eine Katze", "a cat", 3)]


class Good:
    name, source_language, pivot_language, pretokenised = "good", "de", "en", True

    def __len__(self) -> int:
        return len(PAIRS)

    def __getitem__(self, index: int) -> Any:
        return PAIRS[index]

    def fingerprint(self) -> str:
        return "0123"

    def problems(self) -> Any:
        return [Problem("good.de", 2, "empty", "the line is empty")]

    def links(self) -> Any:
        return [frozenset({(0, 0), (1, 1)}), frozenset()]


class Nameless(Good):
    name = ""


class OneLanguage(Good):
    source_language = "en"


class Endless(Good):
    def __getitem__(self, index: int) -> Any:
        return PAIRS[index % 2]


class Tuples(Good):
    def __getitem__(self, index: int) -> Any:
        return tuple(PAIRS)[index].source, "a dog"


class LinesFromZero(Good):
    def __getitem__(self, index: int) -> Any:
        return Pair("ein Hund", "a dog", [0, 1][index])


class BlankSide(Good):
    def __getitem__(self, index: int) -> Any:
        return [*PAIRS[:1], Pair("eine Katze", " ", 3)][index]


class OnePass(Good):
    """Reads on instead of going where it is asked to."""

    def __init__(self) -> None:
        self.place = 0

    def __getitem__(self, index: int) -> Any:
        if index >= 2:
            raise IndexError
        self.place += 1
        return PAIRS[self.place % 2]


class Unsteady(Good):
    def fingerprint(self) -> str:
        return str(id(self))


class OddProblems(Good):
    def problems(self) -> Any:
        return [Problem("good.de", 0, "empty", "the line is empty")]


class LinksOutside(Good):
    def links(self) -> Any:
        return [frozenset({(0, 2)}), frozenset()]


class FewLinks(Good):
    def links(self) -> Any:
        return [frozenset()]


def test_a_good_corpus_passes() -> None:
    passed: list[str] = []
    check_corpus(lambda: [Good()], passed=passed.append)
    assert len(passed) == 5 and all(name.startswith("good: ") for name in passed)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Nameless, "name is ''"),
        (OneLanguage, "both sides are in en"),
        (Endless, "beyond the last pair it raises no IndexError"),
        (Tuples, r"is a tuple, not an otx\.types\.Pair"),
        (LinesFromZero, "has line 0"),
        (BlankSide, "pair 1 has an empty side"),
        (OnePass, "is another pair when it is read again"),
        (Unsteady, "opened again, it has another fingerprint"),
        (OddProblems, "a problem lacks file, line"),
        (LinksOutside, "pair 0 has links"),
        (FewLinks, "1 sets of links for 2 pairs"),
    ],
)
def test_a_broken_one_is_named(broken: Any, complaint: str) -> None:
    with pytest.raises(PluginError, match=f"the corpus breaks its contract: .*{complaint}"):
        check_corpus(lambda: [broken()])


def test_none_at_all_is_named() -> None:
    with pytest.raises(PluginError, match="no corpus was opened"):
        check_corpus(list)


def test_ours_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    registry = Registry("otx")
    otx_corpora.otx_register(registry)
    for language, text in (("en", "a dog\na cat\n"), ("de", "ein Hund\neine Katze\n")):
        (tmp_path / f"x.{language}").write_text(text)
    rows = [{"translation": {"de": pair.source, "en": pair.pivot}} for pair in PAIRS]
    (tmp_path / "hub").mkdir()
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "hub/train-00000-of-00001.parquet")
    rests = {"sample": "de", "files": str(tmp_path / "x"), "hub": str(tmp_path / "hub")}
    assert rests.keys() == {entry.name for entry in registry.entries("corpus")}
    for name, rest in rests.items():
        entry = registry.find("corpus", name)
        assert entry.options is not None
        options = entry.options()
        check_corpus(lambda e=entry, r=rest, o=options: e.make(r, o, "en"))  # type: ignore[misc]
