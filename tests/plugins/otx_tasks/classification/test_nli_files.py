import json
from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.classification.nli_files import NliRow, read_nli

Write = Callable[[str, str], Path]
XNLI_COLUMNS = (
    "language gold_label sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse sentence1 "
    "sentence2 promptID pairID genre label1 label2 label3 label4 label5 sentence1_tokenized sentence2_tokenized match"
)
XNLI_HEADER = XNLI_COLUMNS.split()


def xnli_line(**values: str) -> str:
    return "\t".join(values.get(name, "") for name in XNLI_HEADER)


def test_xtremes_layout(write: Write) -> None:
    path = write("dev-de.tsv.gz", 'Er "sagt" es.\tEr redet.\tentailment\nA\tB\tcontradictory\n')
    assert read_nli(path).rows == [
        NliRow(1, 'Er "sagt" es.', "Er redet.", "entailment"),
        NliRow(2, "A", "B", "contradiction"),
    ]


def test_xnlis_own_layouts(write: Write) -> None:
    row = {
        "language": "de",
        "gold_label": "neutral",
        "sentence1": "A",
        "sentence2": "B",
        "promptID": "7",
        "pairID": "19",
    }
    table = write("xnli.dev.tsv", "\t".join(XNLI_HEADER) + "\n" + xnli_line(**row) + "\n")
    lines = write("xnli.dev.jsonl", json.dumps({**row, "annotator_labels": ["neutral"]}) + "\n")
    wanted = ("A", "B", "neutral", "de", "7", "19")
    for number, path in ((2, table), (1, lines)):
        assert read_nli(path).rows == [NliRow(number, *wanted)]


def test_machine_translated_multinli_and_glue(write: Write) -> None:
    path = write("multinli.train.en.tsv", "premise\thypo\tlabel\nA\tB\tcontradictory\n")
    assert read_nli(path).rows == [NliRow(2, "A", "B", "contradiction")]
    glue = write(
        "train.tsv",
        "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\tA\tB\tneutral\tentailment\n",
    )
    assert read_nli(glue).rows == [NliRow(2, "A", "B", "entailment")]


def test_refused_rows_are_told(write: Write) -> None:
    file = read_nli(write("a.tsv", "A\tB\t-\nA\tB\nA\t \tneutral\nA\tB\tneutral\n"))
    assert [row.line for row in file.rows] == [4]
    assert [(p.line, p.kind) for p in file.problems] == [
        (1, "no-consensus"),
        (2, "columns"),
        (3, "empty-sentence"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "A\tB\n", "no column gold_label.*without test labels"),
        ("a.tsv", "A\tB\t0\n", "a.tsv:1: label '0' is not one of.*placeholders"),
        ("a.tsv", "", "no column sentence1"),
        ("a.tsv", "sentence1\tsentence2\nA\tB\n", "no column gold_label"),
        ("a.jsonl", '{"sentence1": "A"}\n', "a.jsonl:1: not a JSON object with"),
        ("a.jsonl", "A\tB\tneutral\n", "a.jsonl:1: not JSON"),
    ],
)
def test_other_files_are_refused(write: Write, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_nli(write(name, content))


def test_real_training_files(shared_data: Path) -> None:
    counts = {
        path.name.split(".")[0]: len(read_nli(path).rows)
        for path in (shared_data / "nli" / "english-train").glob("*.gz")
    }
    assert counts == {
        "mnli-dev": 19_647, "snli-dev": 9_831, "sick-train": 9_500, "lingnli-train": 44_958, "lingnli-val": 7_371,
    }  # fmt: skip
