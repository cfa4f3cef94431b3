"""Which models encode texts without padding, and their inputs then."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from otx.types import TokenBatch
from otx_encoders import attention
from otx_encoders.heads import model_inputs, uses_type_ids
from otx_encoders.model_io import first_position, max_positions, quiet_transformers
from otx_encoders.packing import Packing, make_packing

LENGTHS = (9, 2, 17, 9)
"""Lengths of the texts with which a model is tried."""
CLOSE = 1e-3
"""Largest difference of the states, relative to their standard deviation: sums change their order."""


def permit_packing(model: Any) -> bool:
    """Give a model attention over packed texts, if it computes the same states with it.

    Args:
        model: A Hugging Face model in evaluation mode, changed in place.

    Returns:
        Whether the model takes packed texts. If not, it is as before.
    """
    plain = model.config._attn_implementation
    accepted = inspect.signature(model.base_model.forward).parameters
    if plain != "sdpa" or "position_ids" not in accepted:
        return False
    attention.register()
    with quiet_transformers():
        model.set_attn_implementation(attention.NAME)
        if _is_exact(model):
            return True
        model.set_attn_implementation(plain)
    return False


def packed_inputs(model: Any, batches: Sequence[TokenBatch], packing: Packing) -> dict[str, Any]:
    """Return packed batches as a model's keyword arguments.

    Args:
        model: A model that ``permit_packing`` accepted.
        batches: The padded batches.
        packing: Their packing.
    """
    inputs: dict[str, Any] = {
        "input_ids": packing.pack([batch.ids for batch in batches]),
        "position_ids": packing.positions + first_position(model),
        "packing": packing,
    }
    if any(batch.type_ids is not None for batch in batches) and uses_type_ids(model):
        types = [
            torch.zeros_like(batch.ids) if batch.type_ids is None else batch.type_ids
            for batch in batches
        ]
        inputs["token_type_ids"] = packing.pack(types)
    return inputs


def _is_exact(model: Any) -> bool:
    batch = _example(model)
    packing = make_packing([batch])
    if packing is None:
        return False
    try:
        with torch.no_grad():
            padded = _states(model, model_inputs(model, batch))
            packed = _states(model, packed_inputs(model, [batch], packing))
    # A model may fail in any way if its attention is of another kind: then it is not packed.
    except torch.OutOfMemoryError:
        raise
    except Exception:
        return False
    return len(padded) == len(packed) and all(
        _is_close(one[batch.mask], packing.unpack(other, [batch.ids.shape])[0][batch.mask])
        for one, other in zip(padded, packed, strict=True)
    )


def _states(model: Any, inputs: dict[str, Any]) -> list[Tensor]:
    output = model.base_model(**inputs, output_hidden_states=True)
    return [output.last_hidden_state, *output.hidden_states]


def _is_close(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs().max() <= CLOSE * one.std()).item())


def _example(model: Any) -> TokenBatch:
    """Return texts of different lengths whose sub-words are spread over the vocabulary."""
    limit = max_positions(model) or max(LENGTHS)
    lengths = [min(length, limit) for length in LENGTHS]
    shape = len(lengths), max(lengths)
    count = model.get_input_embeddings().num_embeddings
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(count, shape, generator=generator)
    padding = model.config.pad_token_id
    if padding is not None and count > 1:
        ids = torch.where(ids == padding, (padding + 1) % count, ids)
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    ids = ids.where(mask, 0 if padding is None else padding)
    return TokenBatch(ids, mask, torch.where(mask, 0, -1))
