"""`otx plan`: the plan of a pair, by POT, of the untouched and the aligned encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.cli import run as otx
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions
from tests import oracles

PAIR = ("Die Katze schläft.", "The cat sleeps.")


def words(model: str) -> list[np.ndarray]:
    encoder = HuggingFaceEncoder(model, EncoderOptions())
    sides = []
    with torch.no_grad():
        for text in PAIR:
            vectors, mask = encoder.encode(encoder.collate(encoder.tokenise([text]))).words()
            sides.append(vectors[0][mask[0]].double().numpy())
    return sides


def pots_plan(model: str, epsilon: float) -> np.ndarray:
    sides = words(model)
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
    assert before["plan"] == "balanced cosine plan, epsilon 0.1: as --epsilon or --layer asks"
    assert before["title"] == "before" and after["title"] == "after r"
    assert before["rows"] == ["Die", "Katze", "schläft", "."]
    assert before["columns"] == ["The", "cat", "sleeps", "."]
    for found, model in ((before, str(tiny_model)), (after, "runs/r/model")):
        assert np.allclose(found["values"], pots_plan(model, 0.1), atol=1e-5)
    assert not np.allclose(before["values"], after["values"], atol=1e-4)


def test_without_epsilon_it_is_the_plan_of_the_objective(
    align: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unbalanced, by POT: rows do not sum to 1, and a balanced plan is another."""
    settings = ["--set", "unbalanced.epsilon=0.1", "--set", "unbalanced.tau=0.3"]
    settings += ["--set", "unbalanced.tolerance=1e-9"]
    assert align("--objective", "unbalanced", "--steps", "2", "--run", "r", *settings) == 0
    capfd.readouterr()
    assert otx(["plan", *PAIR, "--run", "r", "--json"]) == 0
    before, after = json.loads(capfd.readouterr().out)
    assert before["plan"] == after["plan"] == "plan of the objective unbalanced"
    assert before["rows"] == ["Die", "Katze", "schläft", "."]
    for found, model in ((before, str(tiny_model)), (after, "runs/r/model")):
        expected = unbalanced_plan(model, 0.1, 0.3)
        assert np.allclose(found["values"], expected, atol=1e-4)
        assert expected.sum() < 0.97 * 4
    assert otx(["plan", *PAIR, "--run", "r"]) == 0
    assert capfd.readouterr().out.startswith("plan of the objective unbalanced\n")


def unbalanced_plan(model: str, epsilon: float, tau: float) -> np.ndarray:
    x, y = words(model)
    a, b = (np.full(len(side), 1 / len(side)) for side in (x, y))
    cost = ot.dist(x, y, metric="cosine")
    plan = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, epsilon, tau, reg_type="kl", numItermax=10_000, stopThr=1e-12
    )
    return np.asarray(plan) * len(x)


def test_the_plan_of_idf_weights_counts_the_bitext(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "sinkhorn.marginals=idf", "--set", "sinkhorn.scope=batch"]
    assert align("--steps", "1", "--run", "r", *settings) == 0
    capfd.readouterr()
    assert otx(["plan", *PAIR, "--run", "r", "--json"]) == 0
    (before, _) = json.loads(capfd.readouterr().out)
    rows = np.array(before["values"]).sum(1)
    # Words of the bitext's every sentence weigh less than those it never has; masses sum to 1.
    assert rows.sum() == pytest.approx(4, abs=1e-3) and rows[3] < rows[1]


def test_subwords_are_named_by_their_pieces(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--steps", "1", "--run", "r", "--set", "sinkhorn.unit=subwords") == 0
    capfd.readouterr()
    # The tokenizer splits a name that no text has.
    assert otx(["plan", "Die Katze Qwrtzp.", PAIR[1], "--run", "r", "--json"]) == 0
    (before, _) = json.loads(capfd.readouterr().out)
    assert before["rows"][:2] == ["▁Die", "▁Katze"] and len(before["rows"]) > 4
    assert "".join(before["rows"]) == "▁Die▁Katze▁Qwrtzp."
    assert np.allclose(np.array(before["values"]).sum(1), 1, atol=1e-3)


@pytest.mark.parametrize("objective", ["l2", "sentence-contrastive"])
def test_an_objective_without_a_plan_is_named_with_the_plan_that_is_shown_instead(
    objective: str, align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--objective", objective, "--steps", "1", "--run", "r") == 0
    capfd.readouterr()
    assert otx(["plan", *PAIR, "--run", "r"]) == 0
    assert capfd.readouterr().out.splitlines()[0] == (
        f"balanced cosine plan, epsilon 0.05: run r's objectives ({objective}, keep-close) return no plan"
    )


def test_it_is_shown_in_the_terminal(tiny_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["plan", *PAIR, "--model", str(tiny_model)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "balanced cosine plan, epsilon 0.05"
    assert lines[1].strip() == "plan" and lines[3].startswith("Die")
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
