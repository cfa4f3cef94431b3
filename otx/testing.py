"""Checks that an objective's author runs: ``check_objective(lambda: Mine(...), dimension=16)``.

Each is a line of the contract in ``otx.contracts``. What breaks it raises PluginError, naming the line.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from otx.contracts import Objective
from otx.errors import PluginError
from otx.types import Encoded, EncodedPair, Loss, Masked, Needs

HEALTH = frozenset({"mass", "expected_mass", "converged", "marginal_error", "iterations"})
"""The names under which an objective may report on its solver."""

FROZEN = (
    "reference_source",
    "reference_pivot",
    "momentum_source",
    "momentum_pivot",
    "teacher_pivot",
)
"""The views of a batch that other encoders made."""

LENGTHS = ((5, 4), (2, 3), (7, 6), (1, 2))
"""Words of the source and of the pivot side in each pair of the batch that is tried."""

Make = Callable[[], Objective]


def check_objective(make: Make, *, dimension: int, seed: int = 0) -> None:
    """Run every check on the objective that ``make()`` gives, for vectors of ``dimension``.

    The loss is a finite scalar with finite gradients, exactly 0 at padding; it does not read
    padding; it is the same twice, and leaves its input as it was; in half precision under autocast
    it is finite; terms and health are named, finite, detached scalars; with scope "sentence" a
    batch's loss is the mean of its pairs'. What an objective keeps from batch to batch, a queue say,
    is in each check as it was made. Raises PluginError.
    """
    fresh = _made(make, seed)
    pair = random_pair(fresh.needs, dimension, seed=seed)
    objective = copy.deepcopy(fresh)
    loss = objective(pair)
    _check_loss(loss)
    _check_gradients(loss, objective, pair)
    _check_deterministic(make, seed, pair, loss)
    _check_padding(fresh, pair, loss)
    _check_half_precision(fresh, pair)
    if fresh.scope == "sentence":
        _check_batch(fresh, pair, loss)


def random_pair(
    needs: Needs,
    dimension: int,
    *,
    lengths: Sequence[tuple[int, int]] = LENGTHS,
    seed: int = 0,
) -> EncodedPair:
    """A random batch with the views that ``needs`` names; hidden states and logits want gradients.

    ``lengths`` are the words of both sides of each pair. Words have one to three sub-words, special
    tokens stand at both ends, and padding holds numbers as large as the rest.
    """
    random = torch.Generator().manual_seed(seed)
    pair = EncodedPair(
        _encoded([source for source, _ in lengths], needs.layers, dimension, random),
        _encoded([pivot for _, pivot in lengths], needs.layers, dimension, random),
    )
    if needs.reference:
        pair.reference_source = _beside(pair.source, random)
        pair.reference_pivot = _beside(pair.pivot, random)
    if needs.links:
        rows = [(n, i, i) for n, (s, p) in enumerate(lengths) for i in range(min(s, p))]
        pair.links = torch.tensor(rows)
    if needs.idf:
        pair.source_idf = _weights([source for source, _ in lengths], random)
        pair.pivot_idf = _weights([pivot for _, pivot in lengths], random)
    if needs.masked:
        pair.masked = _masked(random)
    if needs.tlm:
        pair.tlm = _masked(random)
    if needs.momentum:
        pair.momentum_source = _beside(pair.source, random)
        pair.momentum_pivot = _beside(pair.pivot, random)
    if needs.teacher:
        pivots = [pivot for _, pivot in lengths]
        teacher = _encoded(pivots, (-1,), dimension, random)
        pair.teacher_pivot = _beside(teacher, random)
    if needs.parameters:
        shapes = [(dimension, dimension), (dimension,)]
        initial = [torch.randn(shape, generator=random) for shape in shapes]
        moved = [p + 0.1 * torch.randn(p.shape, generator=random) for p in initial]
        pair.parameters = [(now.requires_grad_(), p) for now, p in zip(moved, initial, strict=True)]
    return pair


def _encoded(
    words: Sequence[int], layers: Sequence[int], dimension: int, random: torch.Generator
) -> Encoded:
    rows = []
    for count in words:
        sizes = torch.randint(1, 4, (count,), generator=random)
        inner = torch.arange(count).repeat_interleave(sizes).tolist()
        rows.append([-1, *inner, -1])
    width = max(len(row) for row in rows) + 1
    index = torch.tensor([row + [-1] * (width - len(row)) for row in rows])
    mask = torch.tensor([[t < len(row) for t in range(width)] for row in rows])
    shape = (len(rows), width, dimension)
    tokens = {layer: torch.randn(shape, generator=random).requires_grad_() for layer in layers}
    return Encoded(tokens, mask, index)


def _masked(random: torch.Generator) -> Masked:
    logits = torch.randn(9, 31, generator=random, requires_grad=True)
    return Masked(logits, torch.randint(31, (9,), generator=random))


def _beside(encoded: Encoded, random: torch.Generator) -> Encoded:
    """What a frozen encoder not far away would say of the same tokens."""
    tokens = {
        layer: states.detach() + 0.1 * torch.randn(states.shape, generator=random)
        for layer, states in encoded.tokens.items()
    }
    return Encoded(tokens, encoded.mask, encoded.word_index)


def _weights(words: Sequence[int], random: torch.Generator) -> Tensor:
    real = torch.arange(max(words)) < torch.tensor(words)[:, None]
    return (1 + torch.rand(real.shape, generator=random)).masked_fill(~real, 0)


def _made(make: Make, seed: int) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = make()
    _require(isinstance(objective, nn.Module), "it is not a torch.nn.Module")
    needs, scope = getattr(objective, "needs", None), getattr(objective, "scope", None)
    _require(isinstance(needs, Needs), "it has no needs, an otx.types.Needs")
    _require(scope in ("sentence", "batch"), f'its scope is {scope!r}, not "sentence" or "batch"')
    return objective


def _value(objective: Objective, pair: EncodedPair) -> Tensor:
    """The loss of the objective as it was made; it is left as it was."""
    return copy.deepcopy(objective)(pair).value


def _check_loss(loss: Loss) -> None:
    _require(isinstance(loss, Loss), f"it returns {type(loss).__name__}, not an otx.types.Loss")
    _require(loss.value.shape == (), f"its value has shape {list(loss.value.shape)}, not []")
    _require(bool(loss.value.isfinite()), f"its value is {loss.value.item()}")
    _require(loss.value.requires_grad, "its value has no gradient")
    unknown = sorted(set(loss.health) - HEALTH)
    _require(not unknown, f"it reports health under {', '.join(unknown)}; known: {sorted(HEALTH)}")
    for kind, numbers in (("term", loss.terms), ("health", loss.health)):
        _check_scalars(kind, numbers)
    share = float(loss.health.get("converged", 1.0))
    _require(0 <= share <= 1, f"its share of converged problems is {share:g}")
    if loss.plan is not None:
        _require(not loss.plan().requires_grad, "its plan is not detached")


def _check_scalars(kind: str, numbers: Mapping[str, Tensor]) -> None:
    for name, number in numbers.items():
        _require(isinstance(number, Tensor), f"its {kind} {name} is not a tensor")
        _require(number.shape == (), f"its {kind} {name} is not a scalar")
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
    before = [tensor.detach().clone() for _, tensor, _ in _inputs(pair)]
    again = _made(make, seed)(pair)
    for (name, tensor, _), kept in zip(_inputs(pair), before, strict=True):
        _require(torch.equal(tensor, kept), f"it changes {name} in place")
    _require(bool(again.value == loss.value), "made and called twice alike, its value differs")


def _check_padding(objective: Objective, pair: EncodedPair, loss: Loss) -> None:
    wider = copy.copy(pair)
    wider.source, wider.pivot = _padded(pair.source), _padded(pair.pivot)
    for view in FROZEN:
        frozen = getattr(pair, view)
        if frozen is not None:
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
    for view in FROZEN:
        frozen = getattr(pair, view)
        if frozen is not None:
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


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise PluginError(f"the objective breaks its contract: {complaint}", "see otx.contracts")
