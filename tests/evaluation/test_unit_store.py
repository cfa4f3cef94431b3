"""Units of a run: known, computed here, or held by another process."""

from pathlib import Path
from typing import Any

import pytest

from otx.evaluation.unit_store import UnitStore
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit
from otx.types import Score


def unit(key: str, language: str) -> EvalUnit:
    return EvalUnit(
        task="retrieval", task_version="1", language=language, metrics={"accuracy": 1.0},
        alignment_seed=None, head_seed=None, key=key, data_digest="d", model_digest="m",
        training_digest=None, count=1, floor=None, options={}, contamination={"hits": 0, "size": 0},
        seconds=0.0, versions={},
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "one", kind="align", settings={})


def test_units_are_computed_once_and_announced(run: RunFolder) -> None:
    announced: list[EvalUnit] = []
    store = UnitStore(run, announced.append)
    scores = [Score("1", "1", {"n": 1.0})]

    def compute() -> list[EvalUnit]:
        return [store.write(unit(key, key[0]), scores, None) for key in ("a" * 16, "b" * 16)]

    keys = ["a" * 16, "b" * 16]
    first = store.obtain(keys, compute)
    again = UnitStore(run, announced.append).obtain(keys, lambda: pytest.fail("computed again"))
    assert [one.language for one in first] == ["a", "b"] and again == first == announced
    assert store.held_elsewhere == {}
    assert store.find("c" * 16) is None and store.obtain([], compute) == []


def test_work_that_another_process_holds_is_named_and_not_computed(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib

    @contextlib.contextmanager
    def claim(self: Any, work: str) -> Any:
        yield "4711"

    monkeypatch.setattr(RunFolder, "claim", claim)
    store = UnitStore(run, lambda one: None)
    assert store.obtain(["a" * 16], lambda: pytest.fail("computed")) == []
    assert list(store.held_elsewhere.values()) == ["4711"]
