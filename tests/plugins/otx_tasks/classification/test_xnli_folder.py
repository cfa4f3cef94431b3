from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.classification.xnli_folder import XnliFolder, train_files

Write = Callable[[str, str], Path]
HEADER = "language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\n"


@pytest.mark.parametrize("place", ["", "xnli/"])
def test_a_file_a_language(write: Write, tmp_path: Path, place: str) -> None:
    write(f"{place}test-de.tsv.gz", "A\tB\tneutral\n")
    write(f"{place}test-en.tsv", "C\tD\tneutral\n")
    write(f"{place}test-rows.tsv", "row\tpromptID\tpairID\n1\t2\t4\n")
    write(f"{place}dev-fr.tsv", "E\tF\tneutral\n")
    folder = XnliFolder(str(tmp_path), "test")
    assert folder.languages() == ("de", "en")
    assert [row.premise for row in folder.rows("de")] == ["A"]
    assert folder.names() == [("4", "2")]
    assert XnliFolder(str(tmp_path), "dev").names() is None
    with pytest.raises(DataError, match=r"no XNLI test rows in fr.*--data"):
        folder.rows("fr")


def test_one_file_for_all(write: Write, tmp_path: Path) -> None:
    write("xnli.test.tsv", HEADER + "de\tneutral\tA\tB\t1\t1\nen\tneutral\tC\tD\t1\t1\n")
    folder = XnliFolder(str(tmp_path), "test")
    assert folder.languages() == ("de", "en")
    assert [(row.premise, row.pair) for row in folder.rows("en")] == [("C", "1")]


def test_a_test_set_is_used_whole(write: Write, tmp_path: Path) -> None:
    write("test-de.tsv", "A\tB\tneutral\nA\tB\n")
    with pytest.raises(DataError, match=r"test-de.tsv:2: 2 columns instead of 3 \(1 such rows\)"):
        XnliFolder(str(tmp_path), "test").rows("de")


def test_what_is_missing_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no XNLI test files.*test-XX\.tsv.*--data"):
        XnliFolder(str(tmp_path), "test").languages()
    with pytest.raises(DataError, match=r"no training file in en.*--train"):
        train_files(str(tmp_path), "en")
    write("test-en.tsv", "A\tB\tneutral\n")
    write("test-rows.tsv", "row\n1\n")
    with pytest.raises(DataError, match="columns promptID and pairID"):
        XnliFolder(str(tmp_path), "test").names()


def test_training_files(write: Write, tmp_path: Path) -> None:
    for name in ("snli.tsv.gz", "mnli.tsv", "notes.md"):
        write(f"english-train/{name}", "A\tB\tneutral\n")
    assert [path.name for path in train_files(str(tmp_path), "en")] == ["mnli.tsv", "snli.tsv.gz"]
    write("train-en.tsv", "A\tB\tneutral\n")
    assert [path.name for path in train_files(str(tmp_path), "en")] == ["train-en.tsv"]
    # No other language is trained on English files.
    with pytest.raises(DataError, match=r"no training file in de.*train-de\.tsv in --data"):
        train_files(str(tmp_path), "de")
    write("multinli.train.de.tsv.gz", "A\tB\tneutral\n")
    assert [path.name for path in train_files(str(tmp_path), "de")] == ["multinli.train.de.tsv.gz"]
