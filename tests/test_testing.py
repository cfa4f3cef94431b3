from __future__ import annotations

import pytest
import torch
from torch import nn

from otx.errors import PluginError
from otx.testing import check_objective, random_pair
from otx.types import EncodedPair, Loss, Needs

DIMENSION = 5


class Good(nn.Module):
    """The mean over pairs of the squared distance of the sides' mean words."""

    needs, scope = Needs(layers=(-1,)), "sentence"

    def forward(self, pair: EncodedPair) -> Loss:
        sides = []
        for encoded in (pair.source, pair.pivot):
            words, mask = encoded.words()
            sides.append(words.float().sum(1) / mask.sum(1, keepdim=True))
        value = (sides[0] - sides[1]).square().sum(1).mean()
        return Loss(value, terms={"distance": value.detach()})


class Attached(Good):
    def forward(self, pair):
        loss = super().forward(pair)
        return Loss(loss.value, terms={"distance": loss.value})


class Vector(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value[None])


class NotANumber(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value * torch.nan)


class Constant(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value.detach())


class Deaf(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value * 0)


class Misspelt(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value, health={"convergence": torch.ones(())})


class HealthyTwice(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value, health={"converged": torch.tensor(2.0)})


class PlanAttached(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value, plan=lambda: pair.source.tokens[-1])


class ReadsPadding(Good):
    scope = "batch"

    def forward(self, pair):
        return Loss(pair.source.tokens[-1].float().square().mean())


class CountsPadding(Good):
    scope = "batch"

    def forward(self, pair):
        return Loss(super().forward(pair).value * pair.source.mask.shape[1])


class Random(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value + torch.rand(()))


class InPlace(Good):
    def forward(self, pair):
        loss = super().forward(pair)
        pair.pivot.tokens[-1].data.mul_(1.001)
        return loss


class SumOverPairs(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value * len(pair.source.mask))


class Overflow(Good):
    def forward(self, pair):
        value = super().forward(pair).value
        half = pair.source.tokens[-1].dtype == torch.bfloat16
        return Loss(value / (0 if half else 1))


class SteepAtZero(Good):
    def forward(self, pair):
        return Loss(super().forward(pair).value + (pair.pivot.tokens[-1] * 0).sum().sqrt())


class NoScope(Good):
    scope = "corpus"


class NoNeeds(Good):
    needs = None


class Unmodular:
    needs, scope = Needs(), "batch"


class Masked(Good):
    needs = Needs(layers=(-1,), masked=True)


def test_a_good_objective_passes():
    check_objective(Good, dimension=DIMENSION)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Attached, "term distance is not detached"),
        (Vector, r"value has shape \[1\]"),
        (NotANumber, "value is nan"),
        (Constant, "value has no gradient"),
        (Deaf, "gradient does not reach the encoder"),
        (Misspelt, "health under convergence"),
        (HealthyTwice, "converged problems is 2"),
        (PlanAttached, "plan is not detached"),
        (ReadsPadding, "gradient by the source's layer -1's padding is not 0"),
        (CountsPadding, "with more padding, which holds other numbers, its value differs"),
        (Random, "made and called twice alike, its value differs"),
        (InPlace, "changes the pivot's layer -1 in place"),
        (SumOverPairs, "over its pairs one by one, its value differs"),
        (Overflow, "in bfloat16 under autocast its value is inf"),
        (SteepAtZero, "gradient by the pivot's layer -1 is not finite"),
        (NoScope, "scope is 'corpus'"),
        (NoNeeds, "no needs"),
        (Unmodular, "not a torch.nn.Module"),
        (Masked, 'its scope must be "batch"'),
    ],
)
def test_a_broken_one_is_named(broken, complaint):
    with pytest.raises(PluginError, match=complaint):
        check_objective(broken, dimension=DIMENSION)


def test_a_random_pair_has_every_view_that_is_needed():
    needs = Needs((0, -1), reference=True, links=True, idf=True, masked=True, parameters=True)
    pair = random_pair(needs, DIMENSION, lengths=[(3, 2), (1, 6)])
    for encoded, lengths in ((pair.source, (3, 1)), (pair.pivot, (2, 6))):
        assert set(encoded.tokens) == {0, -1}
        words, mask = encoded.words(0)
        assert words.shape[2] == DIMENSION
        assert tuple(mask.sum(1).tolist()) == lengths
        assert not encoded.mask.all(1).any()
        assert (encoded.word_index[~encoded.mask] == -1).all()
        assert (encoded.word_index[:, 0] == -1).all()
    assert pair.source_idf.shape == (2, 3)
    assert (pair.pivot_idf[0, 2:] == 0).all()
    assert set(map(tuple, pair.links.tolist())) == {(0, 0, 0), (0, 1, 1), (1, 0, 0)}
    assert not pair.reference_pivot.tokens[0].requires_grad
    assert len(pair.masked.labels) == len(pair.masked.logits)
    assert all(now.requires_grad and not then.requires_grad for now, then in pair.parameters)
    alike = random_pair(needs, DIMENSION, lengths=[(3, 2), (1, 6)])
    assert torch.equal(pair.source.tokens[0], alike.source.tokens[0])
