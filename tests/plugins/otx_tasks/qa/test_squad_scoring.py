import csv
import gzip
import json
from pathlib import Path

import pytest

from otx_tasks.qa.answer_scoring import best_scores
from otx_tasks.qa.squad import read_squad
from otx_tasks.qa.squad_scoring import normalise


def official(shared_data: Path, stem: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    folder = shared_data / "expected" / "qa"
    predictions = json.loads(gzip.decompress((folder / f"{stem}.predictions.json.gz").read_bytes()))
    with gzip.open(folder / f"{stem}.per-question.tsv.gz", "rt", encoding="utf-8") as lines:
        return predictions, list(csv.DictReader(lines, delimiter="\t"))


def totals(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "expected" / "qa" / "scores.tsv").open(encoding="utf-8") as lines:
        return [
            row for row in csv.DictReader(lines, delimiter="\t") if row["metric"] == "squad-v1.1"
        ]


def test_every_official_score_to_the_last_digit(shared_data: Path) -> None:
    rows = totals(shared_data)
    assert len(rows) == 15
    for row in rows:
        language = row["language"]
        name = {
            "xquad": f"xquad/xquad.{language}.json.gz",
            "mlqa-dev": f"mlqa-dev/dev-context-{language}-question-{language}.json.gz",
        }[row["set"]]
        questions = {e.id: e for e in read_squad(shared_data / "qa" / name).examples}
        predictions, expected = official(shared_data, f"{row['set']}.{language}")
        assert len(expected) == len(questions) == int(row["questions"])
        exact_sum = f1_sum = 0.0
        for line in expected:
            exact, f1 = best_scores(
                predictions[line["id"]], questions[line["id"]].fields["answers"], normalise
            )
            assert (exact, f1) == (float(line["squad_em"]), float(line["squad_f1"])), line
            exact_sum, f1_sum = exact_sum + exact, f1_sum + f1
        assert 100.0 * exact_sum / len(questions) == float(row["exact_match"])
        assert 100.0 * f1_sum / len(questions) == float(row["f1"])


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The Broncos", ["Broncos"], 1.0, 1.0),
        ("308.", ["308"], 1.0, 1.0),
        ("«308»", ["308"], 0.0, 0.0),
        ("der Fluss", ["Fluss"], 0.0, 2 / 3),
        ("one two", ["two three four", "one"], 0.0, 2 / 3),
        ("", ["x"], 0.0, 0.0),
        ("the", ["a"], 1.0, 0.0),
        ("two two", ["two"], 0.0, 2 / 3),
    ],
)
def test_rules_by_hand(prediction: str, answers: list[str], exact: float, f1: float) -> None:
    assert best_scores(prediction, answers, normalise) == (exact, pytest.approx(f1))
