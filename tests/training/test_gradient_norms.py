"""The norm of each term's gradient equals that of autograd for the term alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from otx.config.objective_term import ObjectiveTerm
from otx.training.gradient_norms import GradientNorms
from otx.training.weighted_objective import WeightedSum
from otx.types import Encoded, EncodedPair, Loss, MaskedLogits
from otx.views import Masked, Parameters, States

ALL = {States(), Masked(), Parameters()}


class Part(torch.nn.Module):
    views, scope = ALL, "batch"

    def __init__(self, value: Callable[[EncodedPair], Tensor]) -> None:
        super().__init__()
        self.value = value

    def forward(self, pair: EncodedPair) -> Loss:
        return Loss(self.value(pair))


def views() -> tuple[EncodedPair, list[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(2, 3, 4, generator=generator).requires_grad_() for _ in range(2)]
    logits = torch.randn(5, 7, generator=generator).requires_grad_()
    weight = torch.randn(3, generator=generator).requires_grad_()
    index = torch.zeros(2, 3, dtype=torch.long)
    sides = [Encoded({-1: tensor}, index == 0, index) for tensor in states]
    masked = MaskedLogits(logits, torch.zeros(5, dtype=torch.long))
    values = {Masked: masked, Parameters: [(weight, weight.detach().clone())]}
    pair = EncodedPair(*sides, views=values, declared=frozenset(ALL))
    return pair, [*states, logits, weight]


TERMS: dict[str, Callable[[EncodedPair], Tensor]] = {
    "apart": lambda pair: (pair.source.tokens[-1] - pair.pivot.tokens[-1]).square().sum(),
    "one-sided": lambda pair: pair.source.tokens[-1].exp().sum(),
    "words": lambda pair: pair[Masked].logits.logsumexp(1).sum(),
    "weights": lambda pair: sum((now.sum() for now, _ in pair[Parameters]), torch.zeros(())),
    "dead": lambda pair: 0.0 * pair.source.tokens[-1].sum(),
    "deaf": lambda pair: pair.source.tokens[-1].detach().sum() + 0 * pair.pivot.tokens[-1].sum(),
}


def test_each_term_is_counted_apart_and_the_sum_is_not_changed() -> None:
    pair, leaves = views()
    weights = dict(zip(TERMS, (1.0, 0.5, 2.0, 3.0, 1.0, 1.0), strict=True))
    composite = WeightedSum(
        [
            (ObjectiveTerm(name, weights[name], weights[name]), Part(value))
            for name, value in TERMS.items()
        ]
    )
    composite(pair, 0.5).value.backward()
    found = {name: square.sqrt() for name, square in composite.gradient_norms.pop().items()}
    together = [torch.zeros_like(leaf) for leaf in leaves]
    for name, value in TERMS.items():
        alone = torch.autograd.grad(
            weights[name] * value(pair), leaves, allow_unused=True, materialize_grads=True
        )
        norm = torch.stack([gradient.square().sum() for gradient in alone]).sum().sqrt()
        assert found[name] == pytest.approx(float(norm)), name
        together = [one + other for one, other in zip(together, alone, strict=True)]
    assert found["dead"] == 0.0 == found["deaf"]
    for leaf, wanted in zip(leaves, together, strict=True):
        assert leaf.grad is not None and torch.allclose(leaf.grad, wanted)
    assert composite.gradient_norms.pop() == {}


def test_what_needs_no_gradient_is_not_counted() -> None:
    pair, leaves = views()
    for leaf in leaves:
        leaf.requires_grad_(False)
    norms = GradientNorms()
    assert norms.tap("a", pair).source.tokens[-1] is leaves[0]
    assert norms.pop() == {}
