"""Check an objective, its loss and its input against the interface; for the training loop and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, get_args

from torch import Tensor, nn

from otx.config.objective_term import GRADIENT
from otx.interfaces import View
from otx.plugin_host.api_level import API, GUIDE, outdated
from otx.tensor_tree import Place
from otx.types import EncodedPair, Loss, Scope, place_text

HEALTH = frozenset({"mass", "expected_mass", "converged", "marginal_error", "iterations"})
"""The names under which an objective may report on its solver."""


def objective_faults(objective: object) -> Iterator[str]:
    """Yield what an object lacks to be an objective.

    Args:
        objective: The object.

    Yields:
        One complaint each, as a clause whose subject is the objective.
    """
    if not isinstance(objective, nn.Module):
        yield f"{type(objective).__name__} is no torch.nn.Module"
    if hasattr(objective, "needs") and not hasattr(objective, "views"):
        yield f"{outdated('it declares needs, and no views')} ({GUIDE})"
        return
    yield from _views_faults(getattr(objective, "views", None))
    scope = getattr(objective, "scope", None)
    if scope == "sentence":
        yield f"its scope is 'sentence', which plugin API {API} calls 'mean', and its loss needs a count ({GUIDE})"
    elif scope not in get_args(Scope):
        yield f"its scope is {scope!r}, not {' or '.join(map(repr, get_args(Scope)))}"


def _views_faults(views: Any) -> Iterator[str]:
    if not isinstance(views, AbstractSet | tuple | list):
        yield f"its views is a {type(views).__name__}, expected a set such as {{States(layer=-1)}} (see otx.views)"
        return
    for view in views:
        if isinstance(view, type) and issubclass(view, View):
            yield f"its views hold the class {view.__name__}; write {view.__name__}()"
        elif not isinstance(view, View):
            yield f"its views hold {view!r}, which is no view (see otx.views)"


def loss_faults(loss: object, scope: Scope | None = None) -> Iterator[str]:
    """Yield what is wrong with the form of a returned loss; its numbers are not read, so nothing waits for a GPU.

    Args:
        loss: The returned object.
        scope: Scope of the objective that returned it; None for a task's loss.

    Yields:
        One complaint each, as a clause whose subject is the objective or task.
    """
    if not isinstance(loss, Loss):
        yield f"it returns a {type(loss).__name__}, expected an otx.types.Loss"
        return
    if scope == "mean" and loss.count is None:
        yield (
            'its scope is "mean", and its loss has no count; '
            "for a mean over pairs, return Loss(value, count=len(pair))"
        )
    if loss.count is not None and not isinstance(loss.count, int):
        yield from _scalar_faults({"count": loss.count})
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
    """Remembers the tensors of a batch, and finds one that was changed in place since.

    Args:
        pair: The batch.
        copies: Compare contents, too, which finds a change through ``.data`` or NumPy that PyTorch does not count. It
            costs a copy of the views, except of those too large for it (the encoder's parameters).
    """

    def __init__(self, pair: EncodedPair, *, copies: bool = False) -> None:
        self._places: Sequence[Place]
        self._tensors: Sequence[Tensor]
        self._places, self._tensors = zip(*pair.tensors(), strict=True)
        self._versions = _versions(self._tensors)
        self._copies = {}
        if copies:
            self._copies = {
                place: tensor.detach().clone()
                for place, tensor in zip(self._places, self._tensors, strict=True)
                if _is_copied(place)
            }

    def changed(self) -> str | None:
        """Return the first tensor that was changed in place, as an objective writes it, or None."""
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


def _is_copied(place: Place) -> bool:
    return not (isinstance(place[0], type) and not place[0].copied_in_checks)


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    try:
        return [tensor._version for tensor in tensors]
    except RuntimeError:
        # An encoder may be read in inference mode, where PyTorch counts no versions.
        return [-1 if tensor.is_inference() else tensor._version for tensor in tensors]


def _alike(tensor: Tensor, copy: Tensor) -> bool:
    # NaN is equal to itself here: padding may hold anything.
    now = tensor.detach()
    return bool(((now == copy) | ((now != now) & (copy != copy))).all())
