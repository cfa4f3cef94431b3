from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from otx.config.schema import DataSettings
from otx.config.settings import Settings
from otx.data import corpora
from otx.data.corpora import open_corpora
from otx.errors import DataError, UsageError
from otx.plugin_host.registry import Registry
from otx.types import Problem


@dataclass(frozen=True)
class Options:
    marker: str = "default"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, corpus: Any) -> Registry:
    """Corpora ``files`` and ``little`` of one distribution and a ``little`` of another."""

    def opened(who: str) -> Any:
        def open_one(spec: str, options: Options, pivot: str) -> Any:
            return [corpus([("a", "b")], ("de", pivot), name=f"{who}|{spec}|{options.marker}")]

        return open_one

    both = Registry()
    for number, (owner, name) in enumerate(
        [("otx", "files"), ("otx", "little"), ("Other_Corpora", "contested"), ("otx", "contested")]
    ):
        monkeypatch.setattr(corpora, f"target{number}", opened(f"{owner} {name}"), raising=False)
        one = Registry(owner)
        one.corpus(name, f"otx.data.corpora:target{number}", "a test", Options)
        both.extend(one)
    return both


def names(specs: Any, registry: Registry, **options: Any) -> list[str]:
    settings = Settings(data=DataSettings(pivot="fr"), options=options)
    found = open_corpora(specs, registry, settings, settings.data)
    assert {corpus.pivot_language for corpus in found} == {"fr"}
    return [corpus.name for corpus in found]


def test_registered_names_go_to_their_plugin_and_the_rest_to_files(
    registry: Any, tmp_path: Path
) -> None:
    specs = ["little", "little:de,es", "some/path/en-de", "en:a.txt,de:b.txt", "a.en,b.de"]
    assert names(specs, registry) == [
        "otx little||default",
        "otx little|de,es|default",
        "otx files|some/path/en-de|default",
        "otx files|en:a.txt,de:b.txt|default",
        "otx files|a.en,b.de|default",
    ]


def test_the_plugin_gets_its_own_options(registry: Any) -> None:
    assert names(["little", "x/y"], registry, little={"marker": "set"}) == [
        "otx little||set",
        "otx files|x/y|default",
    ]


def test_a_distribution_settles_a_clash(registry: Any) -> None:
    assert names(["other-corpora:contested:x/y", "otx:contested"], registry) == [
        "Other_Corpora contested|x/y|default",
        "otx contested||default",
    ]
    with pytest.raises(UsageError, match="brought by"):
        names(["contested"], registry)


def test_a_name_that_is_also_a_prefix_of_files_is_refused(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "little.fr.gz").touch()
    with pytest.raises(UsageError, match="registered corpus"):
        names(["little"], registry)
    assert names(["little:", "./little"], registry) == [
        "otx little||default",
        "otx files|./little|default",
    ]


def test_a_misspelt_name_is_not_taken_for_a_path(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"unknown corpus 'litle'.*little"):
        names(["litle"], registry)
    (tmp_path / "litle.en").touch()
    assert names(["litle"], registry) == ["otx files|litle|default"]


def test_no_corpus_at_all(registry: Any) -> None:
    with pytest.raises(UsageError, match="no corpus"):
        names([], registry)


def limited(corpus: Any, problems: list[Problem], max_bad: float) -> None:
    whole = corpus([("a", "b")] * 97)
    whole.refused = problems
    registry, settings = Registry("otx"), Settings(data=DataSettings(max_bad=max_bad))
    registry.corpus("files", "otx.data.corpora:target9", "a test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "target9", lambda *_: [whole], raising=False)
        assert open_corpora(["x/y"], registry, settings, settings.data) == [whole]


def test_too_many_refused_pairs_stop_the_run_and_the_first_are_named(corpus: Any) -> None:
    problems = [
        Problem("x.de", 2, "bom", "byte order mark dropped"),  # mended: does not count
        Problem("x.de", 3, "empty", "nothing in the line"),
        Problem("x.en", 3, "nul", "U+0000"),  # the same pair
        Problem("x.en", 5, "control", "U+0007"),
        Problem("x.en", 9, "control", "U+0008"),
    ]
    limited(corpus, problems, 0.03)
    with pytest.raises(DataError) as raised:
        limited(corpus, problems, 0.029)
    assert str(raised.value) == (
        "corpus listed: 3 of 100 pairs cannot be used (3.0%, at most 2.9% may be): "
        "x.de line 3: nothing in the line; x.en line 3: U+0000; x.en line 5: U+0007 ... "
        "(correct the files, or allow more with --set data.max_bad=SHARE)"
    )
    assert raised.value.exit_code == 3
