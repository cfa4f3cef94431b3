from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from otx_tasks.qa.options import TydiqaOptions
from otx_tasks.qa.tydiqa import TydiqaTask

Json = Callable[..., str]
Write = Callable[[str, str], Path]


@pytest.fixture
def folder(write: Write, squad_json: Json, tmp_path: Path) -> Path:
    for language, text in (("en", "Old bridge."), ("sw", "Daraja la zamani.")):
        item = [(f"{language}-1", "?", [(text.split()[0], 0)])]
        write(f"tydiqa-goldp/tydiqa.goldp.{language}.dev.json", squad_json({"A": {text: item}}))
        train = {
            f"A{a}": {f"{text} {a}": [(f"{language}-t{a}", "?", [(text[:3], 0)])]}
            for a in range(30)
        }
        write(f"tydiqa-goldp/tydiqa.goldp.{language}.train.json.gz", squad_json(train))
    return tmp_path


def task(folder: Path, **options: Any) -> TydiqaTask:
    return TydiqaTask(TydiqaOptions(data=str(folder), **options))


def test_it_is_learnt_on_english_gold_passages(folder: Path) -> None:
    tydi = task(folder)
    assert tydi.languages() == ["en", "sw"]
    training, development = tydi.training(1)
    assert {e.id.split("-")[0] for e in [*training, *development]} == {"en"}
    (example,) = tydi.examples("sw")
    assert tydi.score("daraja", example).statistics == {"exact": 1.0, "f1": 1.0, "n": 1.0}


def test_training_files_of_other_languages_can_be_tested_on(folder: Path) -> None:
    """English is trained on, and so never among them."""
    tydi = task(folder, split="train")
    assert tydi.languages() == ["sw"] and len(tydi.examples("sw")) == 30
    assert len(tydi.training(1)[0]) == 28


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tydiqa\.goldp\.fi\.dev\.json"):
        task(folder).examples("fi")
    (folder / "tydiqa-goldp/tydiqa.goldp.en.train.json.gz").unlink()
    with pytest.raises(DataError, match=r"no tydiqa\.goldp\.en\.train\.json"):
        task(folder).training(1)


def test_the_real_files_are_whole(shared_data: Path) -> None:
    tydi = TydiqaTask(TydiqaOptions(data=str(shared_data), split="train"))
    assert tydi.languages() == ["ko", "sw"]
    assert [len(tydi.examples(language)) for language in ("ko", "sw")] == [1625, 2755]
    training, development = tydi.training(1)
    # A few answers are not at their offsets, and are not learnt from.
    assert 3600 < len(training) + len(development) <= 3696


def test_without_development_files_the_training_files_are_tested_on_and_it_is_said(
    folder: Path,
) -> None:
    scores = [task(folder).score("x", example) for example in task(folder).examples("sw")]
    assert task(folder).notes("sw", scores) == []
    for language in ("en", "sw"):
        (folder / f"tydiqa-goldp/tydiqa.goldp.{language}.dev.json").unlink()
    tydi = task(folder, test_limit=7)
    assert tydi.languages() == ["sw"] and len(tydi.examples("sw")) == 7
    assert tydi.notes("sw", []) == ["tested on the train files: there are no dev files"]


def test_the_distributed_files_hold_every_language(
    write: Write, squad_json: Json, tmp_path: Path
) -> None:
    for split, count in (("dev", 2), ("train", 30)):
        articles = {
            f"{name} {i}": {
                f"{name} {split} text {i}": [(f"{name}-{split}-{i}", "?", [(name, 3 * (i == 0))])]
            }
            for name in ("english", "swahili")
            for i in range(count)
        }
        write(f"tydiqa-goldp-v1.1-{split}.json.gz", squad_json(articles))
    tydi = task(tmp_path)
    assert tydi.languages()[0] == "en" and len(tydi.languages()) == 9
    assert [e.id for e in tydi.examples("sw")] == ["swahili-dev-0", "swahili-dev-1"]
    # One answer of each is not where it should be, and counts for its own language only.
    assert tydi.notes("sw", []) == ["1 gold answers are not at their offsets"]
    training = [e.id for part in tydi.training(1) for e in part]
    assert len(training) == 29 and all(name.startswith("english-train") for name in training)
