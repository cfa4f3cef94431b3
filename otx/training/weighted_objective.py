"""A weighted sum of objectives: ``--objective sinkhorn --objective 0.5*tlm``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from otx.config.objective_term import ObjectiveTerm
from otx.errors import UsageError
from otx.interfaces import Objective, View
from otx.plugin_host.attribution import Owner, attributed, owner_of
from otx.plugin_host.interface_checks import Untouched, loss_faults
from otx.training.gradient_norms import GradientNorms
from otx.training.runtime import SEED_SPACE
from otx.training.shards import Shard, is_split
from otx.types import EncodedPair, Loss


class WeightedSum(nn.Module):
    """The weighted sum of objectives, which keeps their terms and health numbers apart by name.

    Args:
        parts: The terms (names and weights) and their objectives.

    Attributes:
        terms: Names and weights.
        parts: The objectives, in the same order.
        views: The union of the views that they declare.
        gradient_norms: The gradient that each sends into the encoder.

    Raises:
        UsageError: If two terms have the same name.
    """

    def __init__(self, parts: Sequence[tuple[ObjectiveTerm, Objective]]) -> None:
        super().__init__()
        self.terms = [term for term, _ in parts]
        self.parts = nn.ModuleList([part for _, part in parts])  # type: ignore[misc]
        self.views: frozenset[View[Any]] = frozenset(v for _, part in parts for v in part.views)
        self.gradient_norms = GradientNorms()
        self._tried: set[str] = set()
        names = [term.name for term in self.terms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"objective {twice[0]} is named twice", "give it once, with a weight")

    def forward(
        self,
        pair: EncodedPair,
        progress: float,
        *,
        measured: bool = True,
        seed: int = 0,
        shard: Shard | None = None,
    ) -> Loss:
        """Compute ``sum_k weight_k * value_k``; objectives whose weight is 0 at the moment are not computed.

        What an objective draws from torch's generator depends on the seed alone, not on the number of processes.

        Args:
            pair: The views of the batch, or of this process's shard of it.
            progress: Share of the run that is done, 0 to 1, on which weights may depend.
            measured: Whether ``gradient_norms`` counts the gradient of each objective.
            seed: Seed of the random numbers that the objectives draw.
            shard: The part of the batch that this process computes; by default all of it.

        Returns:
            This process's share of the sum and of its numbers, which over all processes add up to those of the batch.
            ``terms[name]`` is each objective's unweighted value, ``terms["name.part"]`` and ``health["name.number"]``
            are its own numbers, and the plan is the first that an objective returns.

        Raises:
            UsageError: If no weight is above 0.
            PluginError: If an objective fails, changes its input, or returns a malformed loss.
        """
        weights = [term.weight(progress) for term in self.terms]
        if not any(weights):
            raise UsageError(
                f"no objective has a weight above 0 when {progress:.0%} of the run is done",
                "let the weight of one of them not end at 0",
            )
        shard = shard or Shard(len(pair))
        active = [
            (term.name, weight, cast(Objective, part))
            for term, weight, part in zip(self.terms, weights, self.parts, strict=True)
            if weight > 0
        ]
        split = {name for name, _, part in active if is_split(part)}
        read_whole = {view for name, _, part in active if name not in split for view in part.views}
        whole = shard.gather(pair.only(read_whole)) if read_whole else pair
        computed = {}
        for number, (name, _, part) in enumerate(active, 1):  # 0 is that of dropout
            torch.manual_seed((seed + number) % SEED_SPACE)
            views, factor = (pair, 1) if name in split else (whole, shard.factor)
            computed[name] = self._loss(name, part, views, factor if measured else 0)
        shares = shard.shares(computed, split)
        losses = {name: (weight, shares[name]) for name, weight, _ in active}
        total: Any = sum(weight * loss.value for weight, loss in losses.values())
        terms: dict[str, Tensor] = {}
        health: dict[str, Tensor] = {}
        for name, (_, loss) in losses.items():
            terms[name] = loss.value.detach()
            terms |= {f"{name}.{term}": value for term, value in loss.terms.items()}
            health |= {f"{name}.{key}": value for key, value in loss.health.items()}
        plan = next((loss.plan for _, loss in losses.values() if loss.plan is not None), None)
        return Loss(total, terms=terms, health=health, plan=plan)

    def _loss(self, name: str, part: Any, pair: EncodedPair, factor: int) -> Loss:
        """Return the loss of one objective, after checking its form and that the objective changed no view.

        Its gradient is measured with a factor above 0; see ``GradientNorms.tap``.
        """
        owner = owner_of(part) or Owner("objective", name)
        views = self.gradient_norms.tap(
            name, pair.only(part.views), measured=factor > 0, factor=factor
        )
        # Copies once in a run: they see what PyTorch's version counters do not.
        untouched = Untouched(pair, copies=name not in self._tried)
        with attributed(owner):
            loss: Loss = part(views)
        place = untouched.changed()
        if place is not None:
            raise owner.fault(
                f"it changes {place} in place, which the other objectives read",
                "copy before you change: pair.source.tokens[-1].clone()",
            )
        for fault in loss_faults(loss, part.scope):
            raise owner.fault(fault)
        self._tried.add(name)
        return loss
