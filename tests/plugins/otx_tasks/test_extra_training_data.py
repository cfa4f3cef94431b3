"""Another language to train in, and training files of other languages, in every task that is fine-tuned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from otx.types import Example
from otx_tasks.classification.labelled_text import ClassificationTask
from otx_tasks.classification.options import ClassificationOptions, XnliOptions
from otx_tasks.classification.xnli import XnliTask
from otx_tasks.qa.options import TydiqaOptions, XquadOptions
from otx_tasks.qa.tydiqa import TydiqaTask
from otx_tasks.qa.xquad import XquadTask
from otx_tasks.tagging.options import TaggingOptions
from otx_tasks.tagging.pos import PosTask

Write = Callable[[str, str], Path]
LABELS = ("entailment", "neutral", "contradiction")


def nli(name: str, count: int) -> str:
    rows = (f"{name} premise {i // 3}\t{name} {i}\t{LABELS[i % 3]}\n" for i in range(count))
    return "".join(rows)


def tagged(name: str, count: int) -> str:
    return "\n".join(f"{name}{i}\tNOUN\n" for i in range(count))


def classes(name: str, count: int) -> str:
    return "".join(f"{name} {i}\t{('bad', 'good')[i % 2]}\n" for i in range(count))


MADE: dict[str, tuple[Any, Any, Callable[[str, int], str], str]] = {
    "xnli": (XnliTask, XnliOptions, nli, "tsv"),
    "pos": (PosTask, TaggingOptions, tagged, "tsv"),
    "classification": (ClassificationTask, ClassificationOptions, classes, "tsv"),
}


@pytest.fixture(params=MADE)
def made(request: pytest.FixtureRequest, write: Write, tmp_path: Path) -> Any:
    """Makes a task on its files: ``test-XX``, ``train-XX`` and more German, ``few-de`` of 9."""
    task, options, text, ending = MADE[request.param]
    for language in ("en", "de"):
        write(f"test-{language}.{ending}", text(f"test{language}", 6))
        write(f"train-{language}.{ending}", text(f"train{language}", 60))
    write(f"few-de.{ending}", text("few", 9))

    def make(**more: Any) -> Any:
        also = tuple(str(tmp_path / f"{name}.{ending}") for name in more.pop("also", ()))
        return task(options(data=str(tmp_path), also=also, **more))

    return make


def content(example: Example) -> str:
    return repr([v for k, v in sorted(example.fields.items()) if k not in ("label", "tags")])


def test_another_source_is_trained_in_developed_on_and_stands_first(made: Any) -> None:
    english, german = made(), made(source="de")
    assert english.languages() == ["en", "de"] and german.languages() == ["de", "en"]
    for task, name in ((english, "trainen"), (german, "trainde")):
        for part in task.training(1):
            assert part and all(name in content(example) for example in part)
    assert english.training_fingerprint() != german.training_fingerprint()
    with pytest.raises(DataError, match="no training file in fr"):
        made(source="fr").training(1)


def test_more_files_are_trained_on_beside_and_never_developed_on(made: Any) -> None:
    alone, more = made(), made(also=["few-de", "train-de"], also_limit=4)
    training, development = more.training(1)
    assert development == alone.training(1)[1]
    assert training[: -2 * 4] == alone.training(1)[0]
    added = [content(example) for example in training[-8:]]
    assert all("few" in text for text in added[:4]) and all("trainde" in t for t in added[4:])
    assert len({example.id for example in training}) == len(training)
    assert more.training_fingerprint() != alone.training_fingerprint()
    assert len(made(also=["few-de"]).training(1)[0]) == len(alone.training(1)[0]) + 9


def test_what_is_tested_on_in_any_language_is_not_trained_on(made: Any) -> None:
    with pytest.raises(DataError, match=r"examples of .*test-de.* are tested on"):
        made(also=["test-de"]).training(1)


def test_answers_to_questions_alike(write: Write, squad_json: Any, tmp_path: Path) -> None:
    def articles(name: str, count: int) -> Any:
        return {
            f"{name}{i}": {f"{name} text {i}.": [(f"{name}-{i}", "?", [(name, 0)])]}
            for i in range(count)
        }

    for language in ("en", "sw"):
        for split, count in (("dev", 3), ("train", 40)):
            name = f"tydiqa.goldp.{language}.{split}.json"
            write(name, squad_json(articles(f"{language}{split}", count)))
    few = write("few.json", squad_json(articles("few", 5)))
    tydi = TydiqaTask(TydiqaOptions(data=str(tmp_path), source="sw", also=(str(few),)))
    assert tydi.languages() == ["sw", "en"]
    training, development = tydi.training(1)
    assert [e.id for e in training[-5:]] == [f"few.json:few-{i}" for i in range(5)]
    assert {e.id.split("-")[0] for e in [*training[:-5], *development]} == {"swtrain"}
    tested = str(tmp_path / "tydiqa.goldp.en.dev.json")
    with pytest.raises(DataError, match=r"3 examples of .* are tested on"):
        TydiqaTask(TydiqaOptions(data=str(tmp_path), also=(tested,))).training(1)
    write("xquad.en.json", squad_json(articles("x", 2)))
    with pytest.raises(DataError, match="xquad: no training file in de"):
        XquadTask(XquadOptions(data=str(tmp_path), source="de")).training(1)


def test_a_class_that_the_training_file_has_not_is_refused(write: Write, tmp_path: Path) -> None:
    write("test-en.tsv", classes("t", 4))
    write("train-en.tsv", classes("u", 60))
    strange = write("few.tsv", "text\tugly\n")
    own = ClassificationTask(ClassificationOptions(data=str(tmp_path), also=(str(strange),)))
    with pytest.raises(DataError, match="no class ugly in the training file"):
        own.training(1)
