from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from otx.errors import PluginError
from otx.testing import check_objective, example_pair
from otx.types import EncodedPair, Loss, MissingViewError
from otx.views import Idf, Links, Masked, Parameters, Reference, States

DIMENSION = 5


class Good(nn.Module):
    """The mean over pairs of the squared distance of the sides' mean words."""

    views, scope = {States()}, "mean"

    def forward(self, pair: EncodedPair) -> Loss:
        sides = []
        for encoded in (pair.source, pair.pivot):
            words, mask = encoded.words()
            sides.append(words.float().sum(1) / mask.sum(1, keepdim=True))
        value = (sides[0] - sides[1]).square().sum(1).mean()
        return Loss(value, count=len(pair), terms={"distance": value.detach()})


class Attached(Good):
    def forward(self, pair: Any) -> Any:
        loss = super().forward(pair)
        return Loss(loss.value, terms={"distance": loss.value}, count=len(pair))


class Vector(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value[None], count=len(pair))


class NotANumber(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value * torch.nan, count=len(pair))


class Constant(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value.detach(), count=len(pair))


class Deaf(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value * 0, count=len(pair))


class Misspelt(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(
            super().forward(pair).value, health={"convergence": torch.ones(())}, count=len(pair)
        )


class HealthyTwice(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(
            super().forward(pair).value, health={"converged": torch.tensor(2.0)}, count=len(pair)
        )


class PlanAttached(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(
            super().forward(pair).value, plan=lambda: pair.source.tokens[-1], count=len(pair)
        )


class ReadsPadding(Good):
    scope = "batch"

    def forward(self, pair: Any) -> Any:
        return Loss(pair.source.tokens[-1].float().square().mean(), count=len(pair))


class CountsPadding(Good):
    scope = "batch"

    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value * pair.source.mask.shape[1], count=len(pair))


class Random(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value + torch.rand(()), count=len(pair))


class InPlace(Good):
    def forward(self, pair: Any) -> Any:
        loss = super().forward(pair)
        pair.pivot.tokens[-1].data.mul_(1.001)
        return loss


class Once(Good):
    """An idempotent change, which only a copy from before the first call shows."""

    def forward(self, pair: Any) -> Any:
        with torch.no_grad():
            pair.source.tokens[-1].zero_()
        return super().forward(pair)


class ClearsPadding(Good):
    def forward(self, pair: Any) -> Any:
        with torch.no_grad():
            pair.source.tokens[-1].masked_fill_(~pair.source.mask[:, :, None], 0.0)
        return super().forward(pair)


class CutsLinks(Good):
    views = (States(), Links())

    def forward(self, pair: Any) -> Any:
        pair[Links][:, 0] = 0
        return super().forward(pair)


class FillsMask(Good):
    def forward(self, pair: Any) -> Any:
        pair.pivot.mask[:] = True
        return super().forward(pair)


class Queue(Good):
    """Adds the mean distance of the batches before this one, kept in a buffer."""

    scope = "batch"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, pair: Any) -> Any:
        value = super().forward(pair).value
        before = self.mean.clone()
        self.mean.lerp_(value.detach(), 0.5)
        return Loss(value + before, count=len(pair))


class KeepsAList(Good):
    scope = "batch"

    def __init__(self) -> None:
        super().__init__()
        self.queue = []

    def forward(self, pair: Any) -> Any:
        value = super().forward(pair).value
        self.queue.append(value.detach())
        return Loss(value + sum(self.queue), count=len(pair))


class CountsCalls(Good):
    """Warms up over four calls that it counts itself."""

    scope = "batch"
    calls = 0

    def forward(self, pair: Any) -> Any:
        self.calls += 1
        return Loss(super().forward(pair).value * min(self.calls, 4), count=len(pair))


class HiddenBuffer(Queue):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()), persistent=False)


class Grows(Queue):
    def forward(self, pair: Any) -> Any:
        loss = super().forward(pair)
        self.mean = self.mean[None]
        return Loss(loss.value.sum(), count=len(pair))


class ExtraState(Queue):
    def get_extra_state(self) -> Any:
        return {"calls": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


class Bare(Good):
    def forward(self, pair: Any) -> Any:
        return super().forward(pair).value


class SumOverPairs(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value * len(pair.source.mask), count=len(pair))


class Overflow(Good):
    def forward(self, pair: Any) -> Any:
        value = super().forward(pair).value
        half = pair.source.tokens[-1].dtype == torch.bfloat16
        return Loss(value / (0 if half else 1), count=len(pair))


class SteepAtZero(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(
            super().forward(pair).value + (pair.pivot.tokens[-1] * 0).sum().sqrt(), count=len(pair)
        )


class NoScope(Good):
    scope = "corpus"


class NoViews(Good):
    views = None


class Unmodular:
    views, scope = frozenset(), "batch"


class OfAPI1(nn.Module):
    needs, scope = (), "sentence"


class OldScope(Good):
    scope = "sentence"


class ClassOfView(Good):
    views = (States,)


class NotAView(Good):
    views = ("states",)


class Uncounted(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value)


class CountsWords(Good):
    def forward(self, pair: Any) -> Any:
        words = (pair.source.words()[1]).sum()
        return Loss(super().forward(pair).value, count=words)


class CountsOne(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value, count=1)


class MeanOfMasked(nn.Module):
    """The mean cross-entropy of masked sub-words."""

    views, scope = {Masked()}, "mean"

    def forward(self, pair: Any) -> Any:
        masked = pair[Masked]
        value = nn.functional.cross_entropy(masked.logits.float(), masked.labels)
        return Loss(value, count=len(masked.labels))


class MaskedByPairs(MeanOfMasked):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value, count=len(pair))


class Contrast(Good):
    """In-batch negatives, declared as a mean."""

    def forward(self, pair: Any) -> Any:
        x, y = pair.source.sentences().float(), pair.pivot.sentences().float()
        value = nn.functional.cross_entropy(x @ y.mT, torch.arange(len(pair)))
        return Loss(value, count=len(pair))


class DeclaredBatch(Contrast):
    scope = "batch"


class ReadsUndeclared(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(super().forward(pair).value + pair[Links].sum(), count=len(pair))


class ReadsLayer(Good):
    def forward(self, pair: Any) -> Any:
        return Loss(pair.source.sentences(layer=3).sum(), count=len(pair))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ReadsUndeclared, r"no view Links: views = \{States\(layer=-1\)\}; add Links\(\)"),
        (ReadsLayer, r"no hidden states of layer 3 \(layers in the batch: -1\)"),
    ],
)
def test_an_undeclared_view_is_named(broken: Any, message: str) -> None:
    with pytest.raises(MissingViewError, match=message):
        check_objective(broken, dimension=DIMENSION)


def test_a_good_objective_passes() -> None:
    passed = []
    check_objective(Good, dimension=DIMENSION, passed=passed.append)
    assert len(passed) == 9


@pytest.mark.parametrize("good", [MeanOfMasked, DeclaredBatch])
def test_a_mean_of_other_items_and_a_contrast_declared_batch_pass(good: Any) -> None:
    check_objective(good, dimension=DIMENSION)


def test_what_is_kept_in_a_buffer_passes() -> None:
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
        (ReadsPadding, r"gradient by the padding of pair\.source\.tokens\[-1\] is not 0"),
        (CountsPadding, "with more padding, which holds other numbers, its value differs"),
        (Random, "made and called twice alike, its value differs"),
        (InPlace, r"changes pair\.pivot\.tokens\[-1\] in place"),
        (Once, r"changes pair\.source\.tokens\[-1\] in place"),
        (ClearsPadding, r"changes pair\.source\.tokens\[-1\] in place"),
        (CutsLinks, r"changes pair\[Links\] in place"),
        (FillsMask, r"changes pair\.pivot\.mask in place"),
        (KeepsAList, "after a round trip of its state dict its value is"),
        (CountsCalls, "after a round trip of its state dict its value is"),
        (HiddenBuffer, "after a round trip of its state dict its value is"),
        (Grows, "its state dict does not load into a fresh one"),
        (ExtraState, "its state dict holds a dict, _extra_state"),
        (Bare, r"returns a Tensor, expected an otx\.types\.Loss"),
        (
            SumOverPairs,
            r"over two parts of its batch \(1 and 3 pairs\) weighted by count, its value",
        ),
        (Uncounted, "its loss has no count"),
        (CountsWords, r"weighted by count, its value differs .*; correct Loss\.count"),
        (CountsOne, "the counts of the parts of a batch are 1 and 1, of the whole 1"),
        (MaskedByPairs, 'declare scope "batch"'),
        (Contrast, 'declare scope "batch"'),
        (Overflow, "in bfloat16 under autocast its value is inf"),
        (SteepAtZero, r"gradient by pair\.pivot\.tokens\[-1\] is not finite"),
        (NoScope, "scope is 'corpus'"),
        (NoViews, "its views is a NoneType, expected a set"),
        (OfAPI1, "made for plugin API 1, and this otx has plugin API 2: it declares needs"),
        (OldScope, "its scope is 'sentence', which plugin API 2 calls 'mean'"),
        (ClassOfView, r"its views hold the class States; write States\(\)"),
        (NotAView, "its views hold 'states', which is no view"),
        (Unmodular, r"no torch\.nn\.Module"),
    ],
)
def test_a_broken_one_is_named(broken: Any, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        check_objective(broken, dimension=DIMENSION)


def test_a_random_pair_has_every_view_that_is_needed() -> None:
    views = {States(0), States(), Reference(0), Links(), Idf(), Masked(), Parameters()}
    pair = example_pair(views, DIMENSION, lengths=[(3, 2), (1, 6)])
    for encoded, lengths in ((pair.source, (3, 1)), (pair.pivot, (2, 6))):
        assert set(encoded.tokens) == {0, -1}
        words, mask = encoded.words(0)
        assert words.shape[2] == DIMENSION
        assert tuple(mask.sum(1).tolist()) == lengths
        assert not encoded.mask.all(1).any()
        assert (encoded.word_index[~encoded.mask] == -1).all()
        assert (encoded.word_index[:, 0] == -1).all()
    assert pair[Idf].source.shape == (2, 3)
    assert (pair[Idf].pivot[0, 2:] == 0).all()
    assert set(map(tuple, pair[Links].tolist())) == {(0, 0, 0), (0, 1, 1), (1, 0, 0)}
    assert not pair[Reference].pivot.tokens[0].requires_grad
    assert len(pair[Masked].labels) == len(pair[Masked].logits)
    assert all(now.requires_grad and not then.requires_grad for now, then in pair[Parameters])
    alike = example_pair(views, DIMENSION, lengths=[(3, 2), (1, 6)])
    assert torch.equal(pair.source.tokens[0], alike.source.tokens[0])
