"""Check an objective, its loss and its input against the contract; for the engine and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from torch import Tensor, nn

from otx.config.objective_term import GRADIENT
from otx.types import EncodedPair, Loss, Needs, Scope, place_text

HEALTH = frozenset({"mass", "expected_mass", "converged", "marginal_error", "iterations"})
"""The names under which an objective may report on its solver."""


def objective_faults(objective: object) -> Iterator[str]:
    """Yield what an object lacks to be an objective."""
    if not isinstance(objective, nn.Module):
        yield f"{type(objective).__name__} is no torch.nn.Module"
    if not isinstance(getattr(objective, "needs", None), Needs):
        yield "it has no needs, an otx.types.Needs"
    scope = getattr(objective, "scope", None)
    if scope not in get_args(Scope):
        yield f"its scope is {scope!r}, not {' or '.join(map(repr, get_args(Scope)))}"


def loss_faults(loss: object) -> Iterator[str]:
    """Yield what is wrong with the form of a returned loss; its numbers are not read, so nothing waits for a GPU."""
    if not isinstance(loss, Loss):
        yield f"it returns a {type(loss).__name__}, expected an otx.types.Loss"
        return
    yield from _scalar_faults({"value": loss.value})
    for kind, numbers in (("terms", loss.terms), ("health", loss.health)):
        if not isinstance(numbers, Mapping):
            yield f"{kind} is a {type(numbers).__name__}, expected a dictionary"
            return
        yield from _scalar_faults({f"{kind}[{name!r}]": number for name, number in numbers.items()})
    # Under one name in metrics.jsonl, one number would overwrite the other.
    if GRADIENT in loss.terms:
        yield f"term '{GRADIENT}': otx writes the norm of the objective's gradient under this name; rename the term"
    for name in sorted(map(str, loss.terms.keys() & loss.health.keys())):
        yield f"term '{name}': it is a term and a health number; rename the term"
    unknown = sorted(map(str, set(loss.health) - HEALTH))
    if unknown:
        yield f"it reports health under {', '.join(unknown)}; known: {', '.join(sorted(HEALTH))}"


def _scalar_faults(numbers: Mapping[str, object]) -> Iterator[str]:
    for name, number in numbers.items():
        if not isinstance(number, Tensor):
            yield f"{name} is a {type(number).__name__}, expected a tensor of shape []"
        elif number.shape != ():
            yield f"{name} has shape {list(number.shape)}, expected []"


class Untouched:
    """Remembers the tensors of a batch's views, to tell later whether one was changed in place.

    Args:
        pair: The batch.
        copies: Compare contents, too, which sees a change through ``.data`` or NumPy that PyTorch does not count. It
            costs a copy of the views; the encoder's parameters are never copied.
    """

    def __init__(self, pair: EncodedPair, *, copies: bool = False) -> None:
        self._places, self._tensors = zip(*pair.tensors(), strict=True)
        self._versions = _versions(self._tensors)
        self._copies = {}
        if copies:
            self._copies = {
                place: tensor.detach().clone()
                for place, tensor in zip(self._places, self._tensors, strict=True)
                if place[0] != "parameters"
            }

    def changed(self) -> str | None:
        """Return the first view that was changed in place, as an objective writes it, or None."""
        versions = _versions(self._tensors)
        # At most steps this is all: 400 parameters take microseconds.
        if versions == self._versions and not self._copies:
            return None
        for number, (place, tensor) in enumerate(zip(self._places, self._tensors, strict=True)):
            copy = self._copies.get(place)
            counted = versions[number] != self._versions[number]
            if counted or (copy is not None and not _alike(tensor, copy)):
                return place_text(place)
        return None


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    try:
        return [tensor._version for tensor in tensors]
    except RuntimeError:
        # An encoder may be read in inference mode, where PyTorch counts no versions.
        return [-1 if tensor.is_inference() else tensor._version for tensor in tensors]


def _alike(tensor: Tensor, copy: Tensor) -> bool:
    # NaN is equal to itself here: padding may hold anything.
    own = tensor.detach()
    return bool(((own == copy) | ((own != own) & (copy != copy))).all())
