"""Entities are those of seqeval's default mode, which reads tags as conlleval does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx_tasks.tagging import NER
from otx_tasks.tagging.iob2 import entities
from otx_tasks.tagging.ner import NerTask
from otx_tasks.tagging.options import TaggingOptions

RECORDED = json.loads((Path(__file__).parents[1] / "recorded/seqeval.json").read_text())
TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=12)


def test_every_recorded_sentence_has_seqevals_entities() -> None:
    for row in RECORDED["rows"]:
        assert entities(row["gold"].split()) == {tuple(e) for e in row["entities"]}


def test_f1_precision_and_recall_are_seqevals() -> None:
    task, sums = NerTask(TaggingOptions()), dict.fromkeys(("right", "found", "gold", "cut"), 0.0)
    from otx.types import Example

    for number, row in enumerate(RECORDED["rows"]):
        gold, found = row["gold"].split(), row["pred"].split()
        example = Example(str(number), str(number), {"words": gold, "tags": gold})
        score = task.score({"tags": found, "cut": 0}, example)
        assert NER.metrics[0].compute(score.statistics) == pytest.approx(row["f1"])
        sums = {name: value + score.statistics[name] for name, value in sums.items()}
    for metric, name in zip(NER.metrics, ("f1", "precision", "recall"), strict=True):
        assert metric.compute(sums) == pytest.approx(RECORDED[name])


@given(TAGS)
def test_entities_cover_exactly_the_words_that_are_not_outside(tags: list[str]) -> None:
    covered = [place for _, start, end in entities(tags) for place in range(start, end + 1)]
    assert sorted(covered) == [place for place, tag in enumerate(tags) if tag != "O"]
    for kind, start, end in entities(tags):
        assert {tag[2:] for tag in tags[start : end + 1]} == {kind}
        assert all(tag.startswith("I-") for tag in tags[start + 1 : end + 1])
