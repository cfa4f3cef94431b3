"""Several weighted objectives as one: `--objective sinkhorn --objective 0.5*tlm`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from torch import Tensor, nn

from otx.contracts import Objective
from otx.engine.taps import Taps
from otx.types import EncodedPair, Loss, Needs


class Composite(nn.Module):
    """The weighted sum of named objectives; every term and health number is kept apart under its objective's name."""

    def __init__(self, parts: Sequence[tuple[str, float, Objective]]) -> None:
        super().__init__()
        self.names = [name for name, _, _ in parts]
        self.weights = [weight for _, weight, _ in parts]
        self.parts = nn.ModuleList([part for _, _, part in parts])  # type: ignore[misc]
        self.needs = reduce(lambda a, b: a | b, (part.needs for _, _, part in parts), Needs())
        scopes = {part.scope for _, _, part in parts}
        self.taps = Taps()
        self.scope = "batch" if "batch" in scopes else "sentence"

    def forward(self, pair: EncodedPair) -> Loss:
        """``value = sum_k weight_k * value_k``; ``terms[name]`` is the unweighted value of each part."""
        losses = [
            part(self.taps.through(name, pair))
            for name, part in zip(self.names, self.parts, strict=True)
        ]
        total = sum(weight * loss.value for weight, loss in zip(self.weights, losses, strict=True))
        terms: dict[str, Tensor] = {}
        health: dict[str, Tensor] = {}
        for name, loss in zip(self.names, losses, strict=True):
            terms[name] = loss.value.detach()
            terms |= {f"{name}.{term}": value for term, value in loss.terms.items()}
            health |= {f"{name}.{key}": value for key, value in loss.health.items()}
        plan = next((loss.plan for loss in losses if loss.plan is not None), None)
        return Loss(total, terms, health, plan)
