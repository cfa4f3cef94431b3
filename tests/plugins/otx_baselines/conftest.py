"""Words picked by hand, for loops that know nothing of batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from otx.types import Encoded


@pytest.fixture(scope="session")
def word_of() -> Callable[..., Tensor]:
    """The vector ``[D]`` of a word of a row, its last or first sub-word, in float64."""

    def word(encoded: Encoded, row: int, number: int, vector: str = "last") -> Tensor:
        states = next(iter(encoded.tokens.values()))[row]
        places = [t for t, w in enumerate(encoded.word_index[row].tolist()) if w == number]
        return states[places[-1] if vector == "last" else places[0]].double()

    return word


@pytest.fixture(scope="session")
def ends_of() -> Callable[..., list[Tensor]]:
    """The special tokens ``[D]`` around each row, in float64."""

    def ends(encoded: Encoded) -> list[Tensor]:
        states = next(iter(encoded.tokens.values()))
        found = []
        for row, mask in zip(states, encoded.mask.tolist(), strict=True):
            found += [row[0].double(), row[sum(mask) - 1].double()]
        return found

    return ends
