import pytest

from otx.errors import DataError
from otx_tasks.classification.nli_examples import check_labels, parallel_examples, training_examples
from otx_tasks.classification.nli_files import LABELS, NliRow


def rows(premises: list[str], labels: list[str] | None = None) -> list[NliRow]:
    given = labels or [LABELS[i % 3] for i in range(len(premises))]
    return [
        NliRow(i, p, f"h{i}", label)
        for i, (p, label) in enumerate(zip(premises, given, strict=True), 1)
    ]


def test_clusters_come_from_english_premises() -> None:
    english = rows(["A", "A", "B", "C"])
    german = rows(["X", "X'", "X", "Z"])  # one premise translated in two ways, two premises alike
    assert [(e.id, e.cluster) for e in parallel_examples(german, english, None, "de")] == [
        ("row-1", "row-1"), ("row-2", "row-1"), ("row-3", "row-3"), ("row-4", "row-4"),
    ]  # fmt: skip


def test_names_of_the_layout_or_of_the_list_of_rows() -> None:
    own = [NliRow(1, "A", "B", "neutral", "de", prompt="7", pair="19")]
    assert [(e.id, e.cluster) for e in parallel_examples(own, own, None, "de")] == [("19", "7")]
    listed = parallel_examples(rows(["A"]), rows(["A"]), [("4", "2")], "de")
    assert [(e.id, e.cluster) for e in listed] == [("4", "2")]


def test_languages_must_be_parallel() -> None:
    with pytest.raises(DataError, match="not the labels of English's 3"):
        parallel_examples(rows(["A", "B"]), rows(["A", "B", "C"]), None, "de")
    with pytest.raises(DataError, match="not the labels of English's"):
        parallel_examples(rows(["A"], ["neutral"]), rows(["A"], ["entailment"]), None, "de")
    with pytest.raises(DataError, match="the list of rows names 1"):
        parallel_examples(rows(["A", "B"]), rows(["A", "B"]), [("1", "1")], "de")


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(DataError, match="1 duplicate ids, the first is 4"):
        parallel_examples(rows(["A", "B"]), rows(["A", "B"]), [("4", "2"), ("4", "2")], "de")


def test_implausible_labels() -> None:
    with pytest.raises(
        DataError, match=r"de: implausible labels: entailment 0%, neutral 0%, contradiction 100%"
    ):
        check_labels(["contradiction"] * 30, "de")
    with pytest.raises(DataError, match="implausible"):
        check_labels(["neutral"] * 50 + ["entailment"] * 25 + ["contradiction"] * 25, "de")
    check_labels([*LABELS] * 10, "de")
    check_labels(["neutral"] * 29, "de")


def test_training_examples_leave_other_languages_out() -> None:
    mixed = [
        NliRow(1, "A", "B", "neutral", "en"),
        NliRow(2, "A", "B", "neutral", "de"),
        NliRow(3, "C", "B", "neutral"),
    ]
    examples = training_examples(mixed, "train.tsv", "en")
    assert [(e.id, e.cluster) for e in examples] == [("train.tsv:1", "A"), ("train.tsv:3", "C")]
