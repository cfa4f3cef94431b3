import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from otx_tasks.qa.mlqa import MlqaTask
from otx_tasks.qa.options import MlqaOptions

Json = Callable[..., str]
Write = Callable[[str, str], Path]


@pytest.fixture
def folder(write: Write, squad_json: Json, tmp_path: Path) -> Path:
    english = {
        "The bridge is old.": [("a", "What?", [("The bridge", 0)]), ("b", "How?", [("old", 14)])]
    }
    german = {
        "Die Brücke ist alt.": [("b", "Wie?", [("alt", 15)])],
        "Neu.": [("c", "Was?", [("Neu", 0)])],
    }
    for language, paragraphs in (("en", english), ("de", german)):
        name = f"MLQA_V1/test/test-context-{language}-question-{language}.json.gz"
        write(name, squad_json({"A": paragraphs}))
    write("MLQA_V1/test/test-context-de-question-en.json", squad_json({"A": german}))
    train = {f"Article {a}": {f"Text {a}.": [(f"t{a}", "?", [("Text", 0)])]} for a in range(40)}
    write("squad-v1.1/train-v1.1.json", squad_json(train))
    return tmp_path


def task(folder: Path, **options: Any) -> MlqaTask:
    return MlqaTask(MlqaOptions(data=str(folder), **options))


def test_one_language_on_both_sides_in_englishs_paragraphs(folder: Path) -> None:
    mlqa = task(folder)
    assert mlqa.languages() == ["en", "de"]
    assert [(e.id, e.cluster) for e in mlqa.examples("en")] == [("a", "0"), ("b", "0")]
    assert [(e.id, e.cluster) for e in mlqa.examples("de")] == [("b", "0"), ("c", "c")]
    assert sum(map(len, mlqa.training(1))) == 40
    with pytest.raises(DataError, match=r"no test-context-fr-question-fr\.json"):
        mlqa.examples("fr")
    with pytest.raises(DataError, match=r"no dev-context-XX-question-XX\.json"):
        task(folder, split="dev").languages()


def test_articles_of_the_language_are_no_part_of_an_answer(folder: Path) -> None:
    mlqa = task(folder)
    english, german = mlqa.examples("en")[0], mlqa.examples("de")[0]
    assert mlqa.score("bridge", english).statistics == {"exact": 1.0, "f1": 1.0, "n": 1.0}
    assert mlqa.score("das alt", german).statistics["exact"] == 1.0
    assert mlqa.score("the alt", german).statistics["exact"] == 0.0


def test_official_scores_of_every_language_through_the_task(shared_data: Path) -> None:
    folder = shared_data / "expected/qa"
    mlqa = MlqaTask(MlqaOptions(data=str(shared_data), split="dev"))
    with (folder / "scores.tsv").open(encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines, delimiter="\t") if r["set"] == "mlqa-dev"]
    official = {r["language"]: r for r in rows if r["metric"] == "mlqa-v1"}
    assert set(mlqa.languages()) == set(official)
    for language, row in official.items():
        packed = (folder / f"mlqa-dev.{language}.predictions.json.gz").read_bytes()
        predictions = json.loads(gzip.decompress(packed))
        scores = [mlqa.score(predictions[e.id], e) for e in mlqa.examples(language)]
        sums = {name: sum(s.statistics[name] for s in scores) for name in ("exact", "f1", "n")}
        f1, exact = (metric.compute(sums) for metric in mlqa.info.metrics)
        assert 100 * exact == pytest.approx(float(row["exact_match"]), abs=1e-9)
        assert 100 * f1 == pytest.approx(float(row["f1"]), abs=1e-9)
