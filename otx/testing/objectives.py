"""Check an objective: ``check_objective(lambda: Mine(...), dimension=16)``."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from otx.interfaces import Objective
from otx.plugin_host.interface_checks import Untouched, loss_faults, objective_faults
from otx.testing.complaints import Passed, fault, ignore, require
from otx.testing.pairs import random_pair
from otx.types import Encoded, EncodedPair, Loss

CALLS_BEFORE_SAVING = 3
"""What an objective keeps may count calls: a moving average begins with its first, a queue may fill with its second."""

Make = Callable[[], Objective]

_require = functools.partial(require, "objective")


def check_objective(make: Make, *, dimension: int, seed: int = 0, passed: Passed = ignore) -> None:
    """Check that the objective ``make()`` keeps its contract, for vectors of ``dimension``.

    What an objective keeps from batch to batch, a queue say, is in each check as it was made, but in the one of its
    state.

    Args:
        make: Makes an objective; called several times, each time with the same random numbers.
        dimension: Width of the vectors that it is tried on.
        seed: Seed of the vectors and of the objective's initial weights.
        passed: Called with the name of each check that passed.

    Raises:
        PluginError: If the objective breaks its contract, with the clause.

    Example:
        >>> from otx.types import Loss, Needs
        >>> class Distance(torch.nn.Module):
        ...     needs, scope = Needs(layers=(-1,)), "sentence"
        ...     def forward(self, pair):
        ...         gap = pair.source.sentences() - pair.pivot.sentences()
        ...         return Loss(gap.square().sum(1).mean())
        >>> check_objective(Distance, dimension=4)
    """
    fresh = _made(make, seed)
    passed("it is a module with needs and scope")
    pair = random_pair(fresh.needs, dimension, seed=seed)
    objective = copy.deepcopy(fresh)
    untouched = Untouched(pair, copies=True)
    loss = objective(pair)
    view = untouched.changed()
    _require(view is None, f"it changes {view} in place")
    passed("it leaves its input as it was")
    _check_loss(loss)
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
    if fresh.scope == "sentence":
        _check_batch(fresh, pair, loss)
        passed("the loss of a batch is the mean over its pairs")


def _made(make: Make, seed: int) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = make()
    for complaint in objective_faults(objective):
        raise fault("objective", complaint)
    return objective


def _value(objective: Objective, pair: EncodedPair) -> Tensor:
    """The loss of the objective as it was made; it is left as it was."""
    return copy.deepcopy(objective)(pair).value


def _check_loss(loss: Loss) -> None:
    for complaint in loss_faults(loss):
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
    own = list(objective.parameters())  # type: ignore[attr-defined]
    wanted = [*(tensor for _, tensor, _ in inputs), *own]
    gradients = torch.autograd.grad(loss.value, wanted, retain_graph=True, allow_unused=True)
    moving = False
    for (name, _, mask), gradient in zip(inputs, gradients, strict=False):
        if gradient is None:
            continue
        _require(bool(gradient.isfinite().all()), f"its gradient by {name} is not finite")
        if mask is not None:
            _require(
                bool((gradient[~mask] == 0).all()), f"its gradient by {name}'s padding is not 0"
            )
        moving |= bool(gradient.any())
    _require(moving, "its gradient does not reach the encoder")


def _inputs(pair: EncodedPair) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """What the engine differentiates by: name, tensor, and which places are real."""
    for side, encoded in (("source", pair.source), ("pivot", pair.pivot)):
        for layer, states in encoded.tokens.items():
            yield f"the {side}'s layer {layer}", states, encoded.mask
    if pair.masked is not None:
        yield "the masked logits", pair.masked.logits, None
    if pair.tlm is not None:
        yield "the logits of both sides in one sequence", pair.tlm.logits, None
    for number, (current, _) in enumerate(pair.parameters or ()):
        yield f"parameter {number}", current, None


def _check_deterministic(make: Make, seed: int, pair: EncodedPair, loss: Loss) -> None:
    again = _made(make, seed)(pair)
    _require(bool(again.value == loss.value), "made and called twice alike, its value differs")


def _check_state(make: Make, dimension: int, seed: int) -> None:
    """Stop and resume as the engine does: a fresh objective with the saved state goes on as the first one does."""
    first, resumed = _made(make, seed), _made(make, seed)
    pairs = [
        random_pair(first.needs, dimension, seed=seed + 1 + number)
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
    wider = copy.copy(pair)
    wider.source, wider.pivot = _padded(pair.source), _padded(pair.pivot)
    for view, frozen in pair.frozen().items():
        setattr(wider, view, _padded(frozen))
    _same("with more padding, which holds other numbers,", _value(objective, wider), loss.value)


def _padded(encoded: Encoded, by: int = 3) -> Encoded:
    rows = len(encoded.mask)
    tokens = {}
    for layer, states in encoded.tokens.items():
        own = torch.where(encoded.mask[:, :, None], states.detach(), 2.5)
        tokens[layer] = torch.cat((own, torch.full((rows, by, own.shape[2]), -1.5)), 1)
    mask = torch.cat((encoded.mask, encoded.mask.new_zeros(rows, by)), 1)
    index = torch.cat((encoded.word_index, encoded.word_index.new_full((rows, by), -1)), 1)
    return Encoded(tokens, mask, index)


def _check_half_precision(objective: Objective, pair: EncodedPair) -> None:
    half = copy.copy(pair)
    half.source, half.pivot = (
        Encoded(
            {k: states.detach().bfloat16() for k, states in side.tokens.items()},
            side.mask,
            side.word_index,
        )
        for side in (pair.source, pair.pivot)
    )
    with torch.autocast("cpu", torch.bfloat16):
        value = _value(objective, half)
    _require(bool(value.isfinite()), f"in bfloat16 under autocast its value is {value.item()}")


def _check_batch(objective: Objective, pair: EncodedPair, loss: Loss) -> None:
    masked = pair.masked is not None or pair.tlm is not None
    _require(not masked, 'a masked view has no pairs: its scope must be "batch"')
    rows = range(len(pair.source.mask))
    alone = torch.stack([_value(objective, _single(pair, row)) for row in rows])
    _same('with scope "sentence", over its pairs one by one,', alone.mean(), loss.value)


def _single(pair: EncodedPair, row: int) -> EncodedPair:
    source, pivot = _row(pair.source, row), _row(pair.pivot, row)
    single = EncodedPair(source, pivot, parameters=pair.parameters)
    for view, frozen in pair.frozen().items():
        setattr(single, view, _row(frozen, row))
    if pair.links is not None:
        single.links = pair.links[pair.links[:, 0] == row] * torch.tensor([0, 1, 1])
    if pair.source_idf is not None and pair.pivot_idf is not None:
        single.source_idf = pair.source_idf[row : row + 1, : int(source.word_index.max()) + 1]
        single.pivot_idf = pair.pivot_idf[row : row + 1, : int(pivot.word_index.max()) + 1]
    return single


def _row(encoded: Encoded, row: int) -> Encoded:
    only = slice(row, row + 1)
    tokens = {layer: states[only].detach() for layer, states in encoded.tokens.items()}
    return Encoded(tokens, encoded.mask[only], encoded.word_index[only])


def _same(circumstance: str, value: Tensor, expected: Tensor) -> None:
    gap = abs(float(value.detach()) - float(expected.detach()))
    scale = max(1.0, abs(float(expected.detach())))
    _require(gap <= 1e-6 * scale, f"{circumstance} its value differs by {gap:.3g}")
