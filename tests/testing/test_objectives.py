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


class Once(Good):
    """An idempotent change, which only a copy from before the first call shows."""

    def forward(self, pair):
        with torch.no_grad():
            pair.source.tokens[-1].zero_()
        return super().forward(pair)


class ClearsPadding(Good):
    def forward(self, pair):
        with torch.no_grad():
            pair.source.tokens[-1].masked_fill_(~pair.source.mask[:, :, None], 0.0)
        return super().forward(pair)


class CutsLinks(Good):
    needs = Needs(layers=(-1,), links=True)

    def forward(self, pair):
        pair.links[:, 0] = 0
        return super().forward(pair)


class FillsMask(Good):
    def forward(self, pair):
        pair.pivot.mask[:] = True
        return super().forward(pair)


class Queue(Good):
    """Adds the mean distance of the batches before this one, kept in a buffer."""

    scope = "batch"

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, pair):
        value = super().forward(pair).value
        before = self.mean.clone()
        self.mean.lerp_(value.detach(), 0.5)
        return Loss(value + before)


class KeepsAList(Good):
    scope = "batch"

    def __init__(self):
        super().__init__()
        self.queue = []

    def forward(self, pair):
        value = super().forward(pair).value
        self.queue.append(value.detach())
        return Loss(value + sum(self.queue))


class CountsCalls(Good):
    """Warms up over four calls that it counts itself."""

    scope = "batch"
    calls = 0

    def forward(self, pair):
        self.calls += 1
        return Loss(super().forward(pair).value * min(self.calls, 4))


class HiddenBuffer(Queue):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()), persistent=False)


class Grows(Queue):
    def forward(self, pair):
        loss = super().forward(pair)
        self.mean = self.mean[None]
        return Loss(loss.value.sum())


class ExtraState(Queue):
    def get_extra_state(self):
        return {"calls": 3}

    def set_extra_state(self, state):
        pass


class Bare(Good):
    def forward(self, pair):
        return super().forward(pair).value


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
    passed = []
    check_objective(Good, dimension=DIMENSION, passed=passed.append)
    assert len(passed) == 9


def test_what_is_kept_in_a_buffer_passes():
    check_objective(Queue, dimension=DIMENSION)


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
        (InPlace, r"changes pivot\.tokens\[-1\] in place"),
        (Once, r"changes source\.tokens\[-1\] in place"),
        (ClearsPadding, r"changes source\.tokens\[-1\] in place"),
        (CutsLinks, "changes links in place"),
        (FillsMask, r"changes pivot\.mask in place"),
        (KeepsAList, "after a round trip of its state dict its value is"),
        (CountsCalls, "after a round trip of its state dict its value is"),
        (HiddenBuffer, "after a round trip of its state dict its value is"),
        (Grows, "its state dict does not load into a fresh one"),
        (ExtraState, "its state dict holds a dict, _extra_state"),
        (Bare, r"returns a Tensor, expected an otx\.types\.Loss"),
        (SumOverPairs, "over its pairs one by one, its value differs"),
        (Overflow, "in bfloat16 under autocast its value is inf"),
        (SteepAtZero, "gradient by the pivot's layer -1 is not finite"),
        (NoScope, "scope is 'corpus'"),
        (NoNeeds, "no needs"),
        (Unmodular, r"no torch\.nn\.Module"),
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
