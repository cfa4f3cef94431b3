from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from otx.cli.doctor import examine

Run = Callable[..., CompletedProcess[str]]


def test_a_sound_machine_is_told_so(otx: Run) -> None:
    done = otx("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == ""
    assert {check["name"] for check in report["checks"]} == {
        "processor",
        "device",
        "disk",
        "cache",
        "writing",
        "transport",
    }
    assert all(check["ok"] for check in report["checks"])
    assert all(report["libraries"].values())
    assert {record["name"] for record in report["plugins"]} >= {"otx_transport", "otx_encoders"}


def test_a_solver_that_is_wrong_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sinkhorn = importlib.import_module("otx.ot.solvers.sinkhorn")
    right = sinkhorn.sinkhorn

    def wrong(cost: Any, a: Any, b: Any, *, epsilon: float) -> Any:  # type: ignore[no-untyped-def]
        return right(cost, a, b, epsilon=2 * epsilon)

    monkeypatch.setattr(sinkhorn, "sinkhorn", wrong)
    checks = {check["name"]: check for check in examine(tmp_path)}
    assert not checks["transport"]["ok"] and "closed form" in checks["transport"]["found"]
    assert checks["writing"]["ok"]


def test_a_folder_that_cannot_be_written_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**how: object) -> None:
        raise PermissionError(13, "Permission denied", str(how["dir"]))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    checks = {check["name"]: check for check in examine(tmp_path / "not" / "there")}
    assert not checks["writing"]["ok"] and str(tmp_path) in checks["writing"]["found"]
