"""`otx plan`: the plan of a pair, by POT, of the untouched and the aligned encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.cli import run as otx
from otx_encoders import EncoderOptions
from otx_encoders.huggingface import HuggingFaceEncoder
from tests import oracles

PAIR = ("Die Katze schläft.", "The cat sleeps.")


def pots_plan(model: str, epsilon: float) -> np.ndarray:
    encoder = HuggingFaceEncoder(model, EncoderOptions())
    sides = []
    with torch.no_grad():
        for text in PAIR:
            vectors, mask = encoder.encode(encoder.collate(encoder.tokenise([text]))).words()
            sides.append(vectors[0][mask[0]].double().numpy())
    cost = ot.dist(*sides, metric="cosine")
    a, b = (np.full(len(side), 1 / len(side)) for side in sides)
    plan = ot.bregman.sinkhorn_log(a, b, cost, epsilon, numItermax=10_000, stopThr=1e-12)
    return oracles.balanced(plan, a, b) * len(sides[0])


def test_before_and_after_are_pots_plans(
    align: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--steps", "4", "--lr", "0.01", "--run", "r") == 0
    capfd.readouterr()
    assert otx(["plan", *PAIR, "--run", "r", "--epsilon", "0.1", "--json"]) == 0
    before, after = json.loads(capfd.readouterr().out)
    assert before["title"] == "before" and after["title"] == "after r"
    assert before["rows"] == ["Die", "Katze", "schläft", "."]
    assert before["columns"] == ["The", "cat", "sleeps", "."]
    for found, model in ((before, str(tiny_model)), (after, "runs/r/model")):
        assert np.allclose(found["values"], pots_plan(model, 0.1), atol=1e-5)
    assert not np.allclose(before["values"], after["values"], atol=1e-4)


def test_it_is_shown_in_the_terminal(tiny_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["plan", *PAIR, "--model", str(tiny_model)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].strip() == "plan" and lines[2].startswith("Die")
    assert lines[-1] == "0 The  1 cat  2 sleeps  3 ."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "a"], "a sentence has no words"),
        ([*PAIR, "--epsilon", "0"], "it must be above 0"),
        ([*PAIR, "--model", "mini", "--run", "r"], "exclude one another"),
    ],
)
def test_what_cannot_be_shown_is_said(
    arguments: list[str], message: str, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in arguments else ["--model", str(tiny_model)]
    assert otx(["plan", *arguments, *model]) in (2, 3)
    assert message in capfd.readouterr().err
