"""Words picked by hand, for loops that know nothing of batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from otx.types import Encoded


@pytest.fixture(scope="session")
def word_of() -> Callable[..., Tensor]:
    """The vector ``[D]`` of a word of a row, its last or first sub-word or their mean, in float64."""

    def word(encoded: Encoded, row: int, number: int, vector: str = "last") -> Tensor:
        states = next(iter(encoded.tokens.values()))[row].detach()
        places = [t for t, w in enumerate(encoded.word_index[row].tolist()) if w == number]
        if vector == "mean":
            return torch.stack([states[t].double() for t in places]).mean(0)
        return states[places[-1] if vector == "last" else places[0]].double()

    return word


@pytest.fixture(scope="session")
def words_of(word_of: Callable[..., Tensor]) -> Callable[..., list[list[Tensor]]]:
    """The vectors of all words, row by row."""

    def words(encoded: Encoded, vector: str = "last") -> list[list[Tensor]]:
        counts = (encoded.word_index.amax(1) + 1).tolist()
        return [
            [word_of(encoded, row, number, vector) for number in range(count)]
            for row, count in enumerate(counts)
        ]

    return words


@pytest.fixture(scope="session")
def subwords_of() -> Callable[..., list[list[Tensor]]]:
    """The vectors of all sub-words, row by row, in float64."""

    def subwords(encoded: Encoded) -> list[list[Tensor]]:
        states = next(iter(encoded.tokens.values())).detach()
        return [
            [row[t].double() for t, word in enumerate(index) if word >= 0]
            for row, index in zip(states, encoded.word_index.tolist(), strict=True)
        ]

    return subwords


@pytest.fixture(scope="session")
def ends_of() -> Callable[..., list[Tensor]]:
    """The special tokens ``[D]`` around each row, in float64."""

    def ends(encoded: Encoded) -> list[Tensor]:
        states = next(iter(encoded.tokens.values())).detach()
        found = []
        for row, mask in zip(states, encoded.mask.tolist(), strict=True):
            found += [row[0].double(), row[sum(mask) - 1].double()]
        return found

    return ends
