import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from otx.errors import DataError, UsageError
from otx_tasks.qa.options import XquadOptions
from otx_tasks.qa.xquad import XquadTask

Json = Callable[..., str]
Write = Callable[[str, str], Path]
QUESTION = "Who opened the bridge?"
CONTEXTS = {
    "en": "The bridge was opened by Ada in 1931.",
    "de": "Die Brücke wurde 1931 von Ada eröffnet.",
}


@pytest.fixture
def folder(write: Write, squad_json: Json, tmp_path: Path) -> Path:
    for language, context in CONTEXTS.items():
        item = [("q1", QUESTION, [("Ada", context.index("Ada"))])]
        write(f"xquad/xquad.{language}.json.gz", squad_json({"A": {context: item}}))
    train = {
        f"Article {a}": {
            f"Text {a} {p} says word{p}.": [
                (f"t{a}-{p}", "What?", [(f"word{p}", len(f"Text {a} {p} says "))])
            ]
            for p in range(5)
        }
        for a in range(40)
    }
    write("squad-v1.1/train-v1.1.json", squad_json(train))
    return tmp_path


def task(folder: Path | None, **options: Any) -> XquadTask:
    return XquadTask(XquadOptions(data=None if folder is None else str(folder), **options))


def test_languages_and_parallel_ids(folder: Path) -> None:
    xquad = task(folder)
    assert xquad.languages() == ["en", "de"]
    assert [(e.id, e.cluster) for e in xquad.examples("de")] == [("q1", "0")]
    assert xquad.fingerprint("de") != xquad.fingerprint("en")
    assert xquad.fingerprint("de") == task(folder).fingerprint("de")
    with pytest.raises(DataError, match=r"no xquad\.fr\.json"):
        xquad.examples("fr")


def test_development_articles_are_held_out(folder: Path) -> None:
    training, development = task(folder).training(seed=1)
    articles = [{e.fields["article"] for e in part} for part in (training, development)]
    assert [len(a) for a in articles] == [38, 2]
    assert not articles[0] & articles[1]
    assert (training, development) == task(folder).training(seed=2)


def test_limit_and_fingerprint(folder: Path) -> None:
    training, development = task(folder, train_limit=19).training(seed=1)
    assert (len(training), len(development)) == (19, 1)
    prints = {
        task(folder, **options).training_fingerprint()
        for options in ({}, {"train_limit": 19}, {"lr": 1e-4}, {"stride": 64})
    }
    assert len(prints) == 4
    elsewhere = XquadOptions(data=str(folder), train=str(folder / "squad-v1.1" / "train-v1.1.json"))
    assert XquadTask(elsewhere).training_fingerprint() == task(folder).training_fingerprint()
    with pytest.raises(UsageError):
        task(folder, train_limit=0).training(seed=1)


def test_refused_answers_are_not_trained_on(folder: Path, write: Write, squad_json: Json) -> None:
    train = write(
        "bad.json",
        squad_json(
            {
                "A": {"a b": [("1", "?", [("b", 1)]), ("2", "?", [("b", 2)])]},
                "B": {"c": [("3", "?", [("c", 0)])]},
            }
        ),
    )
    xquad = task(folder, train=str(train))
    assert {e.id for part in xquad.training(1) for e in part} == {"2", "3"}
    assert [p.kind for p in xquad.problems()] == ["answer-offset"]


def test_training_on_xquads_paragraphs_is_refused(
    folder: Path, write: Write, squad_json: Json
) -> None:
    leak = {
        "A": {CONTEXTS["en"]: [("1", "?", [("Ada", 25)])]},
        "B": {"c": [("3", "?", [("c", 0)])]},
    }
    train = write("dev-v1.1.json", squad_json(leak))
    with pytest.raises(DataError, match="1 training examples are in the en test set of xquad"):
        task(folder, train=str(train)).training(1)


def test_missing_files_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder.*--data"):
        task(tmp_path / "nowhere").languages()
    with pytest.raises(DataError, match=r"no train-v1.1.json.*--train"):
        task(folder / "xquad").training(1)
    with pytest.raises(DataError, match=r"no\.json: no such file"):
        task(folder, train=str(tmp_path / "no.json")).training(1)


def test_unlabelled_test_sets_are_refused(write: Write, squad_json: Json, tmp_path: Path) -> None:
    write("xquad.en.json", squad_json({"A": {"a b": [("1", "?", [])]}}))
    with pytest.raises(DataError, match="1 questions have no answers"):
        task(tmp_path).examples("en")


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_features_collate_and_loss(
    folder: Path, tiny: Callable[..., Any], kind: str, request: pytest.FixtureRequest
) -> None:
    encoder = tiny(request.getfixturevalue(kind))
    xquad = task(folder)
    features = xquad.features(encoder, [*xquad.examples("en"), *xquad.examples("de")])
    batch, labels = xquad.collate(encoder, features)
    assert [f.length for f in features] == batch.mask.sum(1).tolist()
    assert (batch.type_ids is None) == (kind == "unigram")
    assert labels is not None
    logits = torch.randn(*batch.ids.shape, 2)
    wanted = 0.0
    for row, feature in enumerate(features):
        for side in (0, 1):
            real = logits[row, : feature.length, side].double().exp()
            wanted -= math.log(float(real[feature.label[side]] / real.sum())) / 4
    assert float(xquad.loss(logits, labels).value) == pytest.approx(wanted, rel=1e-5)


def test_the_fresh_head_learns_one_answer(folder: Path, tiny: Callable[..., Any]) -> None:
    encoder, xquad = tiny(), task(folder)
    examples = xquad.examples("en")
    features = xquad.features(encoder, examples)
    batch, labels = xquad.collate(encoder, features)
    assert labels is not None
    torch.manual_seed(0)
    head = encoder.fresh_head(xquad.head_kind, xquad.labels())
    optimizer = torch.optim.AdamW([*head.parameters(), *encoder.module.parameters()], lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        xquad.loss(head(batch), labels).value.backward()
        optimizer.step()
    with torch.no_grad():
        logits = head(batch)
    answers = xquad.decode(
        features, [row[: f.length] for row, f in zip(logits, features, strict=True)]
    )
    score = xquad.score(answers["q1"], examples[0])
    assert dict(score.statistics) == {"exact": 1.0, "f1": 1.0, "n": 1.0}


def test_unlabelled_features_give_no_labels(folder: Path, tiny: Callable[..., Any]) -> None:
    xquad = task(folder)
    (example,) = xquad.examples("en")
    unlocated = dataclasses.replace(example, fields={**example.fields, "starts": [-1]})
    _, labels = xquad.collate(tiny(), xquad.features(tiny(), [unlocated]))
    assert labels is None


def test_metrics_and_floor(folder: Path) -> None:
    xquad = task(folder)
    sums = {"exact": 1.0, "f1": 1.5, "n": 4.0}
    assert {m.name: m.compute(sums) for m in xquad.info.metrics} == {
        "f1_squad": 0.375,
        "em_squad": 0.25,
    }
    (score,) = xquad.baselines("en")["n-gram"]
    # "The bridge was opened by Ada in 1931" holds the answer: 1 of its 7 tokens without the article.
    assert score.statistics["f1"] == pytest.approx(2 * (1 / 7) / (1 / 7 + 1))


def test_real_training_file(shared_data: Path) -> None:
    xquad = XquadTask(XquadOptions(data=str(shared_data / "qa"), train_limit=10_000))
    training, development = xquad.training(1)
    assert (len(training), len({e.id for e in training})) == (10_000, 10_000)
    assert 350 < len(development) < 800
    assert not {e.fields["article"] for e in training} & {e.fields["article"] for e in development}
    assert xquad.problems() == []
    assert xquad.languages() == ["en", "ar", "de", "es", "ru", "th", "tr", "zh"]


def test_squads_own_development_set_is_refused(shared_data: Path) -> None:
    squad = shared_data / "qa" / "squad-v1.1" / "dev-v1.1.json.gz"
    xquad = XquadTask(XquadOptions(data=str(shared_data / "qa"), train=str(squad)))
    with pytest.raises(DataError, match="training examples are in the en test set of xquad"):
        xquad.training(1)


def test_a_line_is_a_question_and_its_context(folder: Path, tiny: Callable[..., Any]) -> None:
    xquad = task(folder)
    asked = xquad.read_line("Who opened it?\tThe bridge was opened by Ada.\tLater it fell.", 7)
    assert asked.id == "7" and asked.fields["context"].endswith("\tLater it fell.")
    features = xquad.features(tiny(), [asked])
    assert features and features[0].label is None
    assert xquad.write_line(" by\nAda ") == "by Ada"
    with pytest.raises(DataError, match="line 3 has no context"):
        xquad.read_line("Who?", 3)
