"""Training of only those rows of the input embeddings that occur in the training text.

A run on one language pair reads some thousands of XLM-R's 250,000 sub-words. Yet the embeddings of all of them are 69 %
of XLM-R base's parameters, each with a gradient, two moments of AdamW and three copies in every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from otx.interfaces import Encoder


class _Frozen:
    """A tensor that copies of a module share, because nothing changes it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> _Frozen:
        return self


class OccurringRows(nn.Module):
    """Input embeddings of which only some rows are parameters.

    All other rows, such as those of sub-words that only held-out text has, are constant, and so is the padding row. The
    state dict and the optimiser contain the trained rows only. Copies of the module share the others.

    Args:
        embedding: The whole table ``[V, D]``.
        rows: Ids ``[K]`` of the rows to train, ascending, without the padding row.
    """

    def __init__(self, embedding: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        weight = embedding.weight
        self.rows = nn.Parameter(weight.detach()[rows].clone(), requires_grad=weight.requires_grad)
        place = torch.full((len(weight),), -1, dtype=torch.long, device=weight.device)
        place[rows] = torch.arange(len(rows), device=weight.device)
        self._table, self._place = _Frozen(weight.detach()), _Frozen(place)
        self._ids = rows

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors ``[..., D]`` of ids ``[...]``.

        Args:
            ids: Sub-word ids of any shape.
        """
        place = self._place.tensor[ids]
        frozen = functional.embedding(ids, self._table.tensor)
        if len(self.rows) == 0:
            return frozen
        trained = functional.embedding(place.clamp(min=0), self.rows)
        return torch.where((place >= 0).unsqueeze(-1), trained, frozen)

    @torch.no_grad()
    def whole(self) -> Tensor:
        """Return the whole table ``[V, D]``, trained rows included."""
        table = self._table.tensor.clone()
        table[self._ids] = self.rows
        return table


@dataclass(slots=True)
class Restriction:
    """The parts that ``restrict`` removed from an encoder, and ``lift`` restores.

    Attributes:
        embedding: The whole table.
        rows: The module in its place.
        tied: Modules and attributes of the parameters that share the table.
        heads: Names and modules of the heads.
    """

    embedding: nn.Embedding
    rows: OccurringRows
    tied: list[tuple[nn.Module, str]]
    heads: list[tuple[str, nn.Module]]


def restrict(encoder: Encoder, ids: np.ndarray, *, keep_head: bool = False) -> Restriction | None:
    """Restrict the trained input embeddings to some rows.

    Args:
        encoder: The encoder, on the device where it is trained; changed in place. Copies that are made of it afterwards
            share the frozen rows.
        ids: Ids ``[K]`` of the sub-words in the training text, in any order; the padding row is never trained.
        keep_head: Train the head that the checkpoint has. Otherwise it is removed, and so are parameters that share the
            table, such as the output layer of a masked-LM head.

    Returns:
        The argument of ``lift``; None if the encoder's input embeddings are not a plain table of their own, and so stay
        whole.

    Example:
        >>> restriction = restrict(encoder, ids)  # doctest: +SKIP
        >>> train(encoder)  # doctest: +SKIP
        >>> lift(encoder, restriction)  # doctest: +SKIP
    """
    module = encoder.module
    embedding = _input_embeddings(module)
    if embedding is None:
        return None
    ids = np.unique(ids)
    chosen = torch.from_numpy(ids[ids != embedding.padding_idx].astype(np.int64))
    rows = OccurringRows(embedding, chosen.to(embedding.weight.device))
    tied = [
        (owner, name)
        for owner in module.modules()
        for name, parameter in owner._parameters.items()
        if parameter is embedding.weight and owner is not embedding
    ]
    if any(isinstance(owner, nn.Embedding) for owner, _ in tied):
        return None
    heads = [] if keep_head else _heads(module)
    for owner, name in tied:
        setattr(owner, name, None)
    for name, _ in heads:
        setattr(module, name, None)
    _replace(module, embedding, rows)
    return Restriction(embedding, rows, tied, heads)


def lift(encoder: Encoder, restriction: Restriction | None) -> None:
    """Restore the whole table, trained rows included, and the parts that ``restrict`` removed.

    Args:
        encoder: The encoder that was restricted; changed in place.
        restriction: The value that ``restrict`` returned.
    """
    if restriction is None:
        return
    embedding, rows = restriction.embedding, restriction.rows
    # A new tensor, because copies of the encoder still read the old one.
    embedding.weight = nn.Parameter(rows.whole(), requires_grad=rows.rows.requires_grad)
    _replace(encoder.module, rows, embedding)
    for name, head in restriction.heads:
        setattr(encoder.module, name, head)
    for owner, name in restriction.tied:
        setattr(owner, name, embedding.weight)


def _replace(module: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for owner in list(module.modules()):
        for name, part in owner._modules.items():
            if part is old:
                setattr(owner, name, new)


def _heads(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules of a Hugging Face model on top of its encoder."""
    base = getattr(module, "base_model", module)
    if base is module:
        return []
    return [(name, part) for name, part in module.named_children() if part is not base]


def _input_embeddings(module: nn.Module) -> nn.Embedding | None:
    """Return the plain table of a Hugging Face model's input embeddings; None for anything else."""
    ask = getattr(module, "get_input_embeddings", None)
    embedding = ask() if callable(ask) else None
    if type(embedding) is not nn.Embedding:
        return None
    # A table that rescales rows at lookup, or gradients by frequency, does not act row by row.
    plain = not (embedding.max_norm or embedding.scale_grad_by_freq or embedding.sparse)
    return embedding if plain else None
