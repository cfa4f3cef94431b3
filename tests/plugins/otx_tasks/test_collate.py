from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from otx_tasks.collate import padded


def sequence(ids: list[int], kinds: list[int], special: list[bool]) -> tuple[Any, Any, Any]:
    return np.array(ids, np.int32), np.array(kinds, np.int8), np.array(special)


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_padding(kind: str, tiny: Callable[..., Any], request: pytest.FixtureRequest) -> None:
    encoder = tiny(request.getfixturevalue(kind))
    pad = encoder.tokenizer.pad_token_id
    batch = padded(
        encoder,
        [
            sequence([9, 8, 7, 6], [0, 0, 1, 1], [True, False, False, True]),
            sequence([9, 5], [0, 1], [True, False]),
        ],
    )
    assert batch.ids.tolist() == [[9, 8, 7, 6], [9, 5, pad, pad]]
    assert batch.mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert batch.word_index.tolist() == [[-1, 0, 1, -1], [-1, 0, -1, -1]]
    if kind == "unigram":
        assert batch.type_ids is None
    else:
        assert batch.type_ids is not None
        assert batch.type_ids.tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]
