"""Check an objective: ``check_objective(lambda: Mine(...), dimension=16)``."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from otx.interfaces import Objective
from otx.plugin_host.interface_checks import Untouched, loss_faults, objective_faults
from otx.testing.complaints import Passed, fault, ignore, require
from otx.testing.pairs import example_pair
from otx.types import Encoded, EncodedPair, Loss, place_text
from otx.views.fakes import pad_encoded

CALLS_BEFORE_SAVING = 3
"""State may depend on the number of calls: a moving average begins with the first, a queue may fill with the second."""

PADDING = 3
"""Sub-words of padding that are added to try whether an objective reads it."""

Make = Callable[[], Objective]

_require = functools.partial(require, "objective")


def check_objective(make: Make, *, dimension: int, seed: int = 0, passed: Passed = ignore) -> None:
    """Check that an objective keeps its contract.

    What it keeps from batch to batch, such as a queue, is as new in every check except that of its state.

    Args:
        make: Makes an objective; called several times, each time with the same random numbers.
        dimension: Width of the vectors that it is tried on.
        seed: Seed of the vectors and of the objective's initial weights.
        passed: Called with the name of each check that passed.

    Raises:
        PluginError: If the objective breaks its contract, with the clause.

    Example:
        >>> from otx.types import Loss
        >>> from otx.views import States
        >>> class Distance(torch.nn.Module):
        ...     views, scope = {States(layer=-1)}, "mean"
        ...     def forward(self, pair):
        ...         gap = pair.source.sentences() - pair.pivot.sentences()
        ...         return Loss(gap.square().sum(1).mean(), count=len(pair))
        >>> check_objective(Distance, dimension=4)
    """
    fresh = _made(make, seed)
    passed("it is a module with views and scope")
    pair = example_pair(fresh.views, dimension, seed=seed)
    objective = copy.deepcopy(fresh)
    untouched = Untouched(pair, copies=True)
    loss = objective(pair)
    view = untouched.changed()
    _require(view is None, f"it changes {view} in place")
    passed("it leaves its input as it was")
    _check_loss(loss, fresh)
    passed("its loss is a finite scalar; terms and health are finite, detached scalars")
    _check_gradients(loss, objective, pair)
    passed("its gradient is finite, reaches the encoder, and is 0 at padding")
    _check_deterministic(make, seed, pair, loss)
    passed("made and called twice alike, its value is the same")
    _check_state(make, dimension, seed)
    passed("what it keeps between batches is in its state dict")
    _check_padding(fresh, pair, loss)
    passed("it does not read padding")
    _check_half_precision(fresh, pair)
    passed("in bfloat16 under autocast its value is finite")
    if fresh.scope == "mean":
        _check_mean(fresh, pair, loss)
        passed("the loss of a batch is the mean of its parts' losses, weighted by their counts")


def _made(make: Make, seed: int) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = make()
    for complaint in objective_faults(objective):
        raise fault("objective", complaint)
    return objective


def _loss(objective: Objective, pair: EncodedPair) -> Loss:
    """Return the loss by a copy of the objective, which stays as new."""
    return copy.deepcopy(objective)(pair)


def _check_loss(loss: Loss, objective: Objective) -> None:
    for complaint in loss_faults(loss, objective.scope):
        raise fault("objective", complaint)
    _require(bool(loss.value.isfinite()), f"its value is {loss.value.item()}")
    _require(loss.value.requires_grad, "its value has no gradient")
    for kind, numbers in (("term", loss.terms), ("health", loss.health)):
        _check_scalars(kind, numbers)
    share = float(loss.health.get("converged", 1.0))
    _require(0 <= share <= 1, f"its share of converged problems is {share:g}")
    if loss.plan is not None:
        _require(not loss.plan().requires_grad, "its plan is not detached")


def _check_scalars(kind: str, numbers: Mapping[str, Tensor]) -> None:
    for name, number in numbers.items():
        _require(not number.requires_grad, f"its {kind} {name} is not detached")
        _require(bool(number.isfinite()), f"its {kind} {name} is {number.item()}")


def _check_gradients(loss: Loss, objective: Objective, pair: EncodedPair) -> None:
    inputs = list(_inputs(pair))
    parameters = list(objective.parameters())  # type: ignore[attr-defined]
    tensors = [*(tensor for _, tensor, _ in inputs), *parameters]
    gradients = torch.autograd.grad(loss.value, tensors, retain_graph=True, allow_unused=True)
    reaches = False
    for (name, _, mask), gradient in zip(inputs, gradients, strict=False):
        if gradient is None:
            continue
        _require(bool(gradient.isfinite().all()), f"its gradient by {name} is not finite")
        if mask is not None:
            _require(
                bool((gradient[~mask] == 0).all()),
                f"its gradient by the padding of {name} is not 0",
            )
        reaches |= bool(gradient.any())
    _require(reaches, "its gradient does not reach the encoder")


def _inputs(pair: EncodedPair) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Yield what the engine differentiates by: name, tensor, and the mask of what is real where it has padding."""
    masks = {"source": pair.source.mask, "pivot": pair.pivot.mask}
    for place, tensor in pair.tensors():
        if tensor.requires_grad:
            yield place_text(place), tensor, masks.get(str(place[0]))


def _check_deterministic(make: Make, seed: int, pair: EncodedPair, loss: Loss) -> None:
    again = _made(make, seed)(pair)
    _require(bool(again.value == loss.value), "made and called twice alike, its value differs")


def _check_state(make: Make, dimension: int, seed: int) -> None:
    """Stop and resume as the engine does: a fresh objective with the saved state continues as the first one does."""
    first, resumed = _made(make, seed), _made(make, seed)
    pairs = [
        example_pair(first.views, dimension, seed=seed + 1 + number)
        for number in range(CALLS_BEFORE_SAVING + 2)
    ]
    for number, pair in enumerate(pairs[:CALLS_BEFORE_SAVING]):
        _seeded(first, pair, number)
    state = copy.deepcopy(first.state_dict())  # type: ignore[attr-defined]
    for name, value in state.items():
        _require(
            isinstance(value, Tensor), f"its state dict holds a {type(value).__name__}, {name}"
        )
    try:
        resumed.load_state_dict(state)  # type: ignore[attr-defined]
    except RuntimeError as error:
        raise fault(
            "objective", f"its state dict does not load into a fresh one: {error}"
        ) from error
    for number, pair in enumerate(pairs[CALLS_BEFORE_SAVING:], CALLS_BEFORE_SAVING):
        value, again = (_seeded(objective, pair, number) for objective in (first, resumed))
        _require(
            value == again,
            f"after a round trip of its state dict its value is {again:g}, not {value:g}: what it keeps "
            "between batches must be a buffer or a parameter",
        )


def _seeded(objective: Objective, pair: EncodedPair, seed: int) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return float(objective(pair).value.detach())


def _check_padding(objective: Objective, pair: EncodedPair, loss: Loss) -> None:
    wider = replace(
        pair,
        source=pad_encoded(pair.source, PADDING),
        pivot=pad_encoded(pair.pivot, PADDING),
        views={view: view.pad(value, PADDING) for view, value in pair.views.items()},
    )
    value = _loss(objective, wider).value
    _same("with more padding, which holds other numbers,", value, loss.value)


def _check_half_precision(objective: Objective, pair: EncodedPair) -> None:
    source, pivot = (
        Encoded(
            {k: states.detach().bfloat16() for k, states in side.tokens.items()},
            side.mask,
            side.word_index,
        )
        for side in (pair.source, pair.pivot)
    )
    with torch.autocast("cpu", torch.bfloat16):
        value = _loss(objective, replace(pair, source=source, pivot=pivot)).value
    _require(bool(value.isfinite()), f"in bfloat16 under autocast its value is {value.item()}")


def _check_mean(objective: Objective, pair: EncodedPair, loss: Loss) -> None:
    """Split the batch at every pair: its value is the mean of both parts' values, weighted by their counts."""
    for cut in range(1, len(pair)):
        parts = [
            _loss(objective, _selected(pair, rows))
            for rows in (slice(0, cut), slice(cut, len(pair)))
        ]
        counts = [_count(part) for part in parts]
        whole = _count(loss)
        _require(
            sum(counts) == whole,
            f'its scope is "mean", and the counts of the parts of a batch are {counts[0]:g} and {counts[1]:g}, '
            f"of the whole {whole:g}: count the items of the mean",
        )
        values = zip(counts, (part.value.double() for part in parts), strict=True)
        # Without items a mean is not defined: only its weight, 0, is.
        total = sum(count * value for count, value in values if count)
        expected = torch.as_tensor(total) / max(whole, 1)
        _same(
            f'with scope "mean", over two parts of its batch ({cut} and {len(pair) - cut} pairs) weighted by count,',
            expected,
            loss.value,
            '; correct Loss.count, or declare scope "batch"',
        )


def _count(loss: Loss) -> float:
    assert loss.count is not None
    return float(loss.count)


def _selected(pair: EncodedPair, rows: slice) -> EncodedPair:
    return replace(
        pair,
        source=_rows(pair.source, rows),
        pivot=_rows(pair.pivot, rows),
        views={view: view.select(value, rows, len(pair)) for view, value in pair.views.items()},
    )


def _rows(encoded: Encoded, rows: slice) -> Encoded:
    tokens = {layer: states[rows].detach() for layer, states in encoded.tokens.items()}
    known = None if encoded.word_counts is None else encoded.word_counts[rows]
    return Encoded(tokens, encoded.mask[rows], encoded.word_index[rows], known)


def _same(circumstance: str, value: Tensor, expected: Tensor, remedy: str = "") -> None:
    gap = abs(float(value.detach()) - float(expected.detach()))
    scale = max(1.0, abs(float(expected.detach())))
    _require(gap <= 1e-6 * scale, f"{circumstance} its value differs by {gap:.3g}{remedy}")
