"""Weighted terms: the weight of the moment, names apart, and what weighs nothing is not computed."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from otx.config.objective_term import parse_term
from otx.errors import PluginError, UsageError
from otx.testing import example_pair
from otx.training.weighted_objective import WeightedSum
from otx.types import EncodedPair, Loss, place_text
from otx.views import VIEWS, Links, Reference, States, Teacher


class Constant(nn.Module):
    """A loss of a known value and a gradient; counts how often it is asked."""

    views, scope = {States()}, "batch"

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value, self.asked = value, 0

    def forward(self, pair: EncodedPair) -> Loss:
        self.asked += 1
        states = pair.source.tokens[-1]
        value = self.value + (states - states.detach()).sum()
        one, two = torch.tensor(1.0), torch.tensor(2.0)
        return Loss(value, terms={"inner": two}, health={"mass": one})


def composite(*texts: str) -> WeightedSum:
    return WeightedSum([(parse_term(text), Constant(10.0**n)) for n, text in enumerate(texts)])


PAIR = example_pair({States()}, 4)


def test_the_sum_follows_the_weights_of_the_moment() -> None:
    both = composite("2..1*a", "0..1@0.5*b")
    for share, expected in ((0.25, 1.75 + 0.5 * 10), (0.5, 1.5 + 10), (1.0, 1.0 + 10)):
        loss = both(PAIR, share)
        assert float(loss.value.detach()) == pytest.approx(expected)
        assert float(loss.terms["a"]) == 1.0 and float(loss.terms["b"]) == 10.0
        assert {"a.inner", "b.inner"} <= loss.terms.keys() and "b.mass" in loss.health


def test_what_weighs_nothing_is_not_computed() -> None:
    both = composite("a", "1..0@0.5*b")
    assert both(PAIR, 0.75).terms.keys() == {"a", "a.inner"}
    assert [part.asked for part in both.parts] == [1, 0]


def test_a_run_in_which_nothing_weighs_is_refused() -> None:
    with pytest.raises(UsageError, match="no objective has a weight above 0 when 75%"):
        composite("1..0@0.5*a")(PAIR, 0.75)


def test_two_terms_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="objective a is named twice"):
        composite("a", "0.5*a")


class Named(nn.Module):
    """A loss with a term and a health number of given names."""

    views, scope = {States()}, "batch"

    def __init__(self, term: str, health: str) -> None:
        super().__init__()
        self.term, self.health = term, health

    def forward(self, pair: EncodedPair) -> Loss:
        one = torch.tensor(1.0)
        value = pair.source.tokens[-1].sum()
        return Loss(value, terms={self.term: one}, health={self.health: one})


@pytest.mark.parametrize(
    ("term", "health", "refused"),
    [
        ("gradient", "mass", "term 'gradient'"),
        ("inner", "gradient", "it reports health under gradient"),
        ("mass", "mass", "term 'mass'"),
    ],
)
def test_a_number_that_another_would_overwrite_is_refused(
    term: str, health: str, refused: str
) -> None:
    one = WeightedSum([(parse_term("mine"), Named(term, health))])
    with pytest.raises(PluginError, match=f"objective 'mine': {refused}"):
        one(PAIR, 0.5)


EVERYTHING = frozenset({view() for view in VIEWS} | {States(layer=0), Reference(layer=0)})


def named(pair: EncodedPair) -> dict[str, torch.Tensor]:
    return {place_text(place): tensor for place, tensor in pair.tensors()}


NAMES = list(named(example_pair(EVERYTHING, 4)))


class Meddler(Constant):
    """Changes one view in place, in a way of its choice, and gives back a loss that does not show it."""

    views = EVERYTHING

    def __init__(self, view: str, change: Callable[[torch.Tensor], object]) -> None:
        super().__init__(1.0)
        self.view, self.change = view, change

    def forward(self, pair: EncodedPair) -> Loss:
        loss = super().forward(pair)
        with torch.no_grad():
            self.change(named(pair)[self.view])
        return loss


@pytest.mark.parametrize("view", NAMES)
def test_a_view_that_is_changed_in_place_is_named_with_the_objective(view: str) -> None:
    meddler = Meddler(view, lambda tensor: tensor.zero_())
    both = WeightedSum([(parse_term("meddler"), meddler), (parse_term("plain"), Constant(1.0))])
    pair = example_pair(EVERYTHING, 4)
    tensors = named(pair)
    # The masks of both encoders are one tensor: the first of its names is given.
    name = next(name for name, tensor in tensors.items() if tensor is tensors[view])
    with pytest.raises(PluginError) as caught:
        both(pair, 0.5)
    assert f"objective 'meddler': it changes {name} in place" in caught.value.message


def test_every_tensor_of_a_batch_is_watched() -> None:
    pair = example_pair(EVERYTHING, 4)
    watched = {place[0] for place, _ in pair.tensors()}
    assert watched == {"source", "pivot", *(view for view in VIEWS if not view.holds_sides)}


@pytest.mark.parametrize(
    "change",
    [lambda t: t.data.mul_(2.0), lambda t: t.detach().numpy().fill(0.0)],
    ids=["data", "numpy"],
)
def test_a_change_that_torch_does_not_count_is_seen_at_the_first_step(
    change: Callable[[torch.Tensor], object],
) -> None:
    both = WeightedSum([(parse_term("meddler"), Meddler("pair.pivot.tokens[-1]", change))])
    with pytest.raises(PluginError, match=r"changes pair\.pivot\.tokens\[-1\] in place"):
        both(example_pair(EVERYTHING, 4), 0.5)


def test_an_exchanged_view_is_seen_by_nobody_else() -> None:
    class Exchanger(Constant):
        views = EVERYTHING

        def forward(self, pair: EncodedPair) -> Loss:
            for encoded in (pair.source, pair[Reference].pivot, pair[Teacher]):
                encoded.tokens[-1] = torch.zeros(())
            pair.views[Links] = None  # type: ignore[index]
            return Loss(torch.zeros((), requires_grad=True))

    pair = example_pair(EVERYTHING, 4)
    before = dict(pair.tensors())
    WeightedSum([(parse_term("exchanger"), Exchanger(1.0))])(pair, 0.5)
    assert {name: id(t) for name, t in pair.tensors()} == {n: id(t) for n, t in before.items()}


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        (torch.ones(4), "it returns a Tensor, expected an otx.types.Loss"),
        (None, "it returns a NoneType"),
        (Loss(torch.ones(4)), r"value has shape \[4\], expected \[\]"),
        (Loss(1.0), "value is a float"),  # type: ignore[arg-type]
        (Loss(torch.ones(()), terms={"a": torch.ones(2)}), r"terms\['a'\] has shape \[2\]"),
        (Loss(torch.ones(()), terms={"a": 1.0}), r"terms\['a'\] is a float"),  # type: ignore[dict-item]
        (Loss(torch.ones(()), terms=None), "terms is a NoneType"),  # type: ignore[arg-type]
        (Loss(torch.ones(()), health={"mas": torch.ones(())}), "it reports health under mas"),
    ],
)
def test_a_loss_of_another_form_is_named_with_its_objective(
    returned: object, complaint: str
) -> None:
    class Odd(Constant):
        def forward(self, pair: EncodedPair) -> Loss:
            return returned  # type: ignore[return-value]

    with pytest.raises(PluginError, match=f"^objective 'odd': {complaint}"):
        WeightedSum([(parse_term("odd"), Odd(1.0))])(PAIR, 0.5)


def test_a_view_from_inference_mode_has_no_version_and_is_compared_once() -> None:
    pair = example_pair({States(), Reference()}, 4)
    with torch.inference_mode():
        pair[Reference].pivot.tokens[-1] = pair[Reference].pivot.tokens[-1] * 1
    assert composite("a")(pair, 0.5).terms["a"] == 1.0
