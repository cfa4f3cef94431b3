"""Weighted terms: the weight of the moment, names apart, and what weighs nothing is not computed."""

import pytest
import torch
from torch import nn

from otx.engine.composite import Composite
from otx.errors import PluginError, UsageError
from otx.terms import parse_term
from otx.testing import random_pair
from otx.types import EncodedPair, Loss, Needs


class Constant(nn.Module):
    """A loss of a known value and a gradient; counts how often it is asked."""

    needs, scope = Needs(layers=(-1,)), "sentence"

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value, self.asked = value, 0

    def forward(self, pair: EncodedPair) -> Loss:
        self.asked += 1
        states = pair.source.tokens[-1]
        value = self.value + (states - states.detach()).sum()
        return Loss(value, {"inner": torch.tensor(2.0)}, {"mass": torch.tensor(1.0)})


def composite(*texts: str) -> Composite:
    return Composite([(parse_term(text), Constant(10.0**n)) for n, text in enumerate(texts)])


PAIR = random_pair(Needs(layers=(-1,)), 4)


def test_the_sum_follows_the_weights_of_the_moment() -> None:
    both = composite("2..1*a", "0..1@0.5*b")
    for share, expected in ((0.25, 1.75 + 0.5 * 10), (0.5, 1.5 + 10), (1.0, 1.0 + 10)):
        both.at(share)
        loss = both(PAIR)
        assert float(loss.value.detach()) == pytest.approx(expected)
        assert float(loss.terms["a"]) == 1.0 and float(loss.terms["b"]) == 10.0
        assert {"a.inner", "b.inner"} <= loss.terms.keys() and "b.mass" in loss.health


def test_what_weighs_nothing_is_not_computed() -> None:
    both = composite("a", "1..0@0.5*b")
    both.at(0.75)
    assert both(PAIR).terms.keys() == {"a", "a.inner"}
    assert [part.asked for part in both.parts] == [1, 0]


def test_a_run_in_which_nothing_weighs_is_refused() -> None:
    with pytest.raises(UsageError, match="no objective has a weight above 0 when 75%"):
        composite("1..0@0.5*a").at(0.75)


def test_two_terms_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="objective a is named twice"):
        composite("a", "0.5*a")


class Named(nn.Module):
    """A loss with a term and a health number of given names."""

    needs, scope = Needs(layers=(-1,)), "sentence"

    def __init__(self, term: str, health: str) -> None:
        super().__init__()
        self.term, self.health = term, health

    def forward(self, pair: EncodedPair) -> Loss:
        one = torch.tensor(1.0)
        return Loss(pair.source.tokens[-1].sum(), {self.term: one}, {self.health: one})


@pytest.mark.parametrize(
    ("term", "health", "refused"),
    [
        ("gradient", "mass", "gradient"),
        ("inner", "gradient", "gradient"),
        ("mass", "mass", "mass"),
    ],
)
def test_a_number_that_another_would_overwrite_is_refused(
    term: str, health: str, refused: str
) -> None:
    one = Composite([(parse_term("mine"), Named(term, health))])
    one.at(0.5)
    with pytest.raises(PluginError, match=f"objective 'mine': term '{refused}'"):
        one(PAIR)
