from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.testing import check_objective, example_pair
from otx.views import Links
from otx_baselines.l2 import L2
from otx_baselines.linear import Linear
from otx_baselines.options import L2Options, LinearOptions

DIMENSION = 5


def _objective(**changes: Any) -> Any:
    return Linear(LinearOptions(**changes), DIMENSION)


def test_value_and_gradient_equal_a_loop(word_of: Any, double_pair: Any, same_slope: Any) -> None:
    torch.manual_seed(0)
    objective = _objective().double()
    with torch.no_grad():
        objective.map.weight.normal_()
    matrix = objective.map.weight.detach()
    pair = double_pair(objective.views, DIMENSION)

    def twin(moved: Any) -> Any:
        total = 0.0
        for row, s, t in moved[Links].tolist():
            x, y = word_of(moved.source, row, s), word_of(moved.pivot, row, t)
            total += float((matrix @ x - y).square().sum())
        return total / (len(moved[Links]) * DIMENSION)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-9)
    same_slope(objective, pair, twin)


def test_it_begins_as_l2() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    expected = L2(L2Options(), DIMENSION)(pair).value.item()
    for orthogonal in (False, True):
        value = _objective(orthogonal=orthogonal)(pair).value.item()
        assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_rotation_between_the_sides_is_found(orthogonal: bool) -> None:
    """With the encoder frozen, the map that made the pivot side is learnt and the loss goes to 0."""
    torch.manual_seed(1)
    objective = _objective(orthogonal=orthogonal)
    pair = example_pair(objective.views, DIMENSION, lengths=((30, 30),))
    turn = torch.linalg.qr(torch.randn(DIMENSION, DIMENSION)).Q
    turn[:, 0] *= torch.linalg.det(turn).sign()
    pair.pivot.word_index, pair.pivot.mask = pair.source.word_index, pair.source.mask
    pair.pivot.tokens = {-1: (pair.source.tokens[-1] @ turn.mT).detach()}
    pair.source.tokens = {-1: pair.source.tokens[-1].detach()}
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        objective(pair).value.backward()
        optimiser.step()
    weight = objective.map.weight.detach()
    assert torch.allclose(weight, turn, atol=1e-2)
    if orthogonal:
        assert torch.allclose(weight @ weight.mT, torch.eye(DIMENSION), atol=1e-5)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_it_keeps_the_contract(orthogonal: bool) -> None:
    check_objective(lambda: _objective(orthogonal=orthogonal), dimension=DIMENSION)


def test_the_map_is_what_a_checkpoint_holds() -> None:
    for orthogonal in (False, True):
        objective, again = _objective(orthogonal=orthogonal), _objective(orthogonal=orthogonal)
        with torch.no_grad():
            for parameter in objective.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        again.load_state_dict(objective.state_dict())
        assert torch.equal(again.map.weight, objective.map.weight)
