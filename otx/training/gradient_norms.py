"""What each term of a loss sends back into the encoder, counted as it passes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from otx.types import Encoded, EncodedPair, Masked


class GradientNorms:
    """Counts, by name, the gradient that flows back through what ``through`` gave out.

    A term whose gradient is exactly zero trains nothing, however large the gradient of the others; their norms
    side by side are each term's share of the step.
    """

    def __init__(self) -> None:
        self._squares: dict[str, Tensor] = {}

    def through(self, name: str, pair: EncodedPair) -> EncodedPair:
        """The same views; what flows back through them is counted under ``name``."""
        parameters = pair.parameters
        # What a term puts in the place of a view, in a view of its own, no other term sees.
        frozen = {view: self._encoded(name, encoded) for view, encoded in pair.frozen().items()}
        return replace(
            pair,
            **frozen,  # type: ignore[arg-type]
            source=self._encoded(name, pair.source),
            pivot=self._encoded(name, pair.pivot),
            masked=self._masked(name, pair.masked),
            tlm=self._masked(name, pair.tlm),
            parameters=parameters
            and [(self._tap(name, current), initial) for current, initial in parameters],
        )

    def norms(self) -> dict[str, float]:
        """The L2 norm of what flowed back since the last call, by name, over all views; then from 0 again."""
        found = {name: float(square.sqrt()) for name, square in self._squares.items()}
        self._squares = {}
        return found

    def _encoded(self, name: str, encoded: Encoded) -> Encoded:
        tokens = {layer: self._tap(name, states) for layer, states in encoded.tokens.items()}
        return replace(encoded, tokens=tokens)

    def _masked(self, name: str, masked: Masked | None) -> Masked | None:
        return masked and Masked(self._tap(name, masked.logits), masked.labels)

    def _tap(self, name: str, tensor: Tensor) -> Tensor:
        if not tensor.requires_grad:
            return tensor
        self._squares.setdefault(name, torch.zeros((), device=tensor.device))
        own = tensor.view_as(tensor)

        def count(gradient: Tensor) -> None:
            self._squares[name] = self._squares[name] + gradient.detach().float().square().sum()

        own.register_hook(count)  # type: ignore[no-untyped-call]
        return own
