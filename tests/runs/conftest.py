"""Run folders with synthetic scores, as the engine would leave them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from otx.files.digests import content_key
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit, write_unit
from otx.types import Metric, Score, TaskInfo

ACCURACY = Metric("accuracy", lambda sums: sums["hit"] / sums["n"])
ERROR = Metric("error", lambda sums: 1 - sums["hit"] / sums["n"], higher_is_better=False)
HITS = Metric("hits", lambda sums: sums["hit"], percent=False)


@pytest.fixture
def accuracy() -> Metric:
    return ACCURACY


@pytest.fixture
def tasks() -> dict[str, TaskInfo]:
    """A transfer task with English, a probe whose metric is an error, by name."""
    return {
        "nli": TaskInfo("nli", "1", "transfer", (ACCURACY, HITS), "none"),
        "links": TaskInfo("links", "1", "probe", (ERROR, ACCURACY), "none"),
    }


@pytest.fixture
def make_scores() -> Callable[..., list[Score]]:
    """0/1 scores of examples e0, e1, ... in clusters of ``size``."""

    def make(hits: Sequence[float], size: int = 1, prefix: str = "") -> list[Score]:
        return [
            Score(f"{prefix}e{i}", f"{prefix}c{i // size}", {"hit": float(hit), "n": 1.0})
            for i, hit in enumerate(hits)
        ]

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """An alignment, finished, with the record that the engine writes."""

    def make(
        name: str,
        objective: str = "sinkhorn",
        seed: int = 1,
        model: str = "mini",
        bitext: Sequence[str] = ("de",),
        lr: float = 1e-4,
        **fields: Any,
    ) -> RunFolder:
        settings = {
            "align": {"objective": [objective], "seed": seed},
            "encoder": {"model": model},
            "optimizer": {"lr": lr},
            "eval": {"seeds": [1]},
        }
        run = RunFolder.create(tmp_path / "runs", name, kind="align", settings=settings)
        corpora = [
            {"name": lang, "source": lang, "pivot": "en", "fingerprint": f"{lang}-1"}
            for lang in bitext
        ]
        run.update(
            status="finished",
            model=model,
            model_digest_before=f"{model}-digest",
            objectives=[objective],
            alignment_seed=seed,
            corpora=corpora,
            **fields,
        )
        return run

    return make


@pytest.fixture
def make_untouched(tmp_path: Path) -> Callable[..., RunFolder]:
    """The folder of an encoder as it came."""

    def make(model: str = "mini") -> RunFolder:
        return RunFolder.untouched(tmp_path / "runs", model, f"{model}-digest")

    return make


@pytest.fixture
def add_unit() -> Callable[..., EvalUnit]:
    """Write one unit with its scores, every field that is not given being a sensible one."""

    def add(
        run: RunFolder,
        task: TaskInfo,
        language: str,
        scores: Sequence[Score],
        head_seed: int | None = None,
        **changes: Any,
    ) -> EvalUnit:
        sums: Mapping[str, float] = {
            name: sum(score.statistics[name] for score in scores) for name in ("hit", "n")
        }
        fields: dict[str, Any] = {
            "task": task.name,
            "task_version": task.version,
            "language": language,
            "metrics": {metric.name: metric.compute(sums) for metric in task.metrics},
            "alignment_seed": run.record.get("alignment_seed"),
            "head_seed": head_seed,
            "data_digest": f"{task.name}-{language}",
            "model_digest": f"{run.name}-weights",
            "training_digest": "trained" if task.kind == "transfer" else None,
            "count": len(scores),
            "floor": None,
            "options": {},
            "contamination": {"hits": 0, "size": len(scores)},
            "seconds": 1.0,
            "versions": {"otx": "0.1.0"},
            **changes,
        }
        unit = EvalUnit(key=content_key(run=run.name, **fields), **fields)
        write_unit(run, unit, scores)
        return unit

    return add
