"""Shards of a micro-batch, without processes: how pairs are divided, and how parts of a loss make the whole."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.training.processes import ALONE
from otx.training.shards import ProcessShard, Shard, is_split, make_shard, shard_bounds
from otx.types import Loss
from otx.views import Parameters, States
from tests.examples import examples

LENGTHS = st.lists(st.integers(2, 100), min_size=1, max_size=40)


@examples(100)
@given(LENGTHS, st.integers(1, 9))
def test_every_pair_is_in_one_shard_and_no_shard_is_longer_than_its_share_and_a_pair(
    lengths: list[int], count: int
) -> None:
    bounds = shard_bounds(np.array(lengths), count)
    assert bounds[0] == 0 and bounds[-1] == len(lengths) and (np.diff(bounds) >= 0).all()
    loads = [sum(lengths[a:b]) for a, b in itertools.pairwise(bounds)]
    assert max(loads) <= sum(lengths) / count + max(lengths)


def test_one_process_has_all_pairs_and_the_losses_as_they_are() -> None:
    shard = make_shard(np.array([3, 4, 5]), ALONE)
    assert type(shard) is Shard and shard.rows == slice(0, 3)
    losses = {"a": Loss(torch.tensor(2.0), count=3)}
    assert shard.shares(losses, {"a"})["a"] is losses["a"]


def fake_group(rank: int, total: list[float]) -> Any:
    return SimpleNamespace(
        rank=rank, count=2, sum=lambda counts: torch.tensor(total, dtype=torch.float64)
    )


@pytest.mark.parametrize("count", [1, torch.tensor(1)])
def test_a_mean_counts_by_its_items_and_a_batch_by_the_processes(count: Any) -> None:
    value = torch.tensor(8.0, requires_grad=True)
    losses = {
        "mean": Loss(value, count=count, terms={"t": torch.tensor(4.0)}),
        "batch": Loss(value, health={"mass": torch.tensor(1.0)}),
    }
    shard = ProcessShard(np.array([4, 4]), fake_group(0, [4.0]))
    shares = shard.shares(losses, {"mean"})
    assert (shares["mean"].value.item(), shares["mean"].terms["t"].item()) == (2.0, 1.0)
    assert (shares["batch"].value.item(), shares["batch"].health["mass"].item()) == (4.0, 0.5)
    shares["mean"].value.backward()
    assert value.grad == 0.25


def test_a_process_without_pairs_computes_the_first_one_for_nothing() -> None:
    shard = ProcessShard(np.array([7]), fake_group(0, [1.0]))
    assert shard.rows == slice(0, 1)
    share = shard.shares({"mean": Loss(torch.tensor(torch.nan), count=1)}, {"mean"})
    assert share["mean"].value == 0
    assert ProcessShard(np.array([7]), fake_group(1, [1.0])).rows == slice(0, 1)


def test_without_any_item_the_loss_is_zero() -> None:
    shard = ProcessShard(np.array([4, 4]), fake_group(0, [0.0]))
    assert shard.shares({"l2": Loss(torch.tensor(torch.nan), count=0)}, {"l2"})["l2"].value == 0


def test_what_reads_the_parameters_is_computed_as_a_whole() -> None:
    def objective(scope: str, *views: Any) -> Any:
        return SimpleNamespace(scope=scope, views=set(views))

    assert is_split(objective("mean", States()))
    assert not is_split(objective("batch", States()))
    assert not is_split(objective("mean", States(), Parameters()))
