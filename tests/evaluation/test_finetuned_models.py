"""Kept models: odd folders are not read as seeds, and a damaged record is named."""

import json
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.evaluation.finetuned_models import find, known
from otx.runs.folder import RunFolder

RECORD = {
    "key": "k", "task": "xnli", "version": "1", "options": {}, "head_seed": 2, "development": {"4": 0.5}, "step": 4,
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder.create(tmp_path, "one", kind="align", settings={})
    for name in ("xnli-2", "xnli-old", "xnli-2.bak", "xnli-", "xnli-more-1"):
        (run.heads / name).mkdir(parents=True)
        (run.heads / name / "fitted.json").write_text(json.dumps(RECORD))
    return run


def test_only_seeds_are_found(run: RunFolder) -> None:
    folder, record = find(run, "xnli", None)
    assert (folder.name, record.head_seed, record.size) == ("xnli-2", 2, 0)
    assert known(run, "xnli", 2, "k") == folder and known(run, "xnli", 2, "other") is None
    with pytest.raises(DataError, match="no fine-tuned xnli of seed 3"):
        find(run, "xnli", 3)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "{", json.dumps({**RECORD, "options": None}), json.dumps({**RECORD, "step": "4"})]
)  # fmt: skip
def test_a_damaged_record_is_named(run: RunFolder, text: str) -> None:
    (run.heads / "xnli-2" / "fitted.json").write_text(text)
    with pytest.raises(DataError, match="xnli-2 is not a fine-tuned model"):
        find(run, "xnli", None)
    assert known(run, "xnli", 2, "k") is None
