import csv
import gzip
import json
from pathlib import Path

import pytest

from otx.errors import UsageError
from otx_tasks.qa.answer_scoring import best_scores
from otx_tasks.qa.mlqa_scoring import normaliser
from otx_tasks.qa.squad import read_squad


def test_every_official_score_to_the_last_digit(shared_data: Path) -> None:
    folder = shared_data / "expected" / "qa"
    with (folder / "scores.tsv").open(encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines, delimiter="\t") if r["metric"] == "mlqa-v1"]
    assert len(rows) == 12
    for row in rows:
        stem, language = f"{row['set']}.{row['language']}", row["language"]
        name = {
            "xquad": f"xquad/xquad.{language}.json.gz",
            "mlqa-dev": f"mlqa-dev/dev-context-{language}-question-{language}.json.gz",
        }[row["set"]]
        questions = {e.id: e for e in read_squad(shared_data / "qa" / name).examples}
        predictions = json.loads(
            gzip.decompress((folder / f"{stem}.predictions.json.gz").read_bytes())
        )
        with gzip.open(folder / f"{stem}.per-question.tsv.gz", "rt", encoding="utf-8") as lines:
            expected = list(csv.DictReader(lines, delimiter="\t"))
        exact_sum = f1_sum = 0.0
        normalise = normaliser(language)
        for line in expected:
            exact, f1 = best_scores(
                predictions[line["id"]], questions[line["id"]].fields["answers"], normalise
            )
            assert (exact, f1) == (float(line["mlqa_em"]), float(line["mlqa_f1"])), line
            exact_sum, f1_sum = exact_sum + exact, f1_sum + f1
        assert 100.0 * exact_sum / len(questions) == float(row["exact_match"])
        assert 100.0 * f1_sum / len(questions) == float(row["f1"])


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("de", "Der «große» Fluss", "große fluss"),
        ("es", "La Casa, ¡el río!", "casa río"),
        ("vi", "Những con sông", "con sông"),
        ("zh", "1931年（林道）", "1931 年 林 道"),
        ("hi", "नदी।", "नदी"),
        ("en", "The River", "river"),
    ],
)
def test_rules_by_hand(language: str, text: str, normal: str) -> None:
    assert normaliser(language)(text) == normal


def test_a_language_without_rules_is_refused() -> None:
    with pytest.raises(UsageError, match="no rules for ru"):
        normaliser("ru")
