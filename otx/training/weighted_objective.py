"""Several weighted objectives as one: `--objective sinkhorn --objective 0.5*tlm`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from torch import Tensor, nn

from otx.config.objective_term import ObjectiveTerm
from otx.errors import UsageError
from otx.interfaces import Objective
from otx.plugin_host.attribution import Owner, owner_of
from otx.plugin_host.interface_checks import Untouched, loss_faults
from otx.training.gradient_norms import GradientNorms
from otx.types import EncodedPair, Loss, Needs


class WeightedSum(nn.Module):
    """The weighted sum of objectives; every term and health number is kept apart under its objective's name.

    A term whose weight is 0 at the moment is not computed. Raises UsageError where two terms have one name.
    """

    def __init__(self, parts: Sequence[tuple[ObjectiveTerm, Objective]]) -> None:
        super().__init__()
        self.wanted = [term for term, _ in parts]
        self.parts = nn.ModuleList([part for _, part in parts])  # type: ignore[misc]
        self.needs = reduce(lambda a, b: a | b, (part.needs for _, part in parts), Needs())
        self.scope = "batch" if any(part.scope == "batch" for _, part in parts) else "sentence"
        self.taps = GradientNorms()
        self._tried: set[str] = set()
        names = [term.name for term in self.wanted]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"objective {twice[0]} is named twice", "give it once, with a weight")
        self.at(0.0)

    def at(self, share: float) -> None:
        """Take the weights of the moment when ``share`` (0 to 1) of the run is done.

        Raises UsageError if none is above 0.
        """
        self.weights = [term.weight(share) for term in self.wanted]
        if share > 0 and not any(self.weights):
            raise UsageError(
                f"no objective has a weight above 0 when {share:.0%} of the run is done",
                "let the weight of one of them not end at 0",
            )

    def forward(self, pair: EncodedPair) -> Loss:
        """``value = sum_k weight_k * value_k``; ``terms[name]`` is the unweighted value of each part."""
        losses = {
            term.name: (weight, self._loss(term.name, part, pair))
            for term, weight, part in zip(self.wanted, self.weights, self.parts, strict=True)
            if weight > 0
        }
        total: Any = sum(weight * loss.value for weight, loss in losses.values())
        terms: dict[str, Tensor] = {}
        health: dict[str, Tensor] = {}
        for name, (_, loss) in losses.items():
            terms[name] = loss.value.detach()
            terms |= {f"{name}.{term}": value for term, value in loss.terms.items()}
            health |= {f"{name}.{key}": value for key, value in loss.health.items()}
        plan = next((loss.plan for _, loss in losses.values() if loss.plan is not None), None)
        return Loss(total, terms, health, plan)

    def _loss(self, name: str, part: nn.Module, pair: EncodedPair) -> Loss:
        """The loss of one part. Raises PluginError for one of another form, and for a part that changes its input."""
        # Copies once in a run: they see what PyTorch's version counters do not.
        untouched = Untouched(pair, copies=name not in self._tried)
        loss: Loss = part(self.taps.through(name, pair))
        owner = owner_of(part) or Owner("objective", name)
        view = untouched.changed()
        if view is not None:
            raise owner.fault(
                f"it changes {view} in place, which the other objectives read",
                "copy before you change: pair.source.tokens[-1].clone()",
            )
        for fault in loss_faults(loss):
            raise owner.fault(fault)
        self._tried.add(name)
        return loss
