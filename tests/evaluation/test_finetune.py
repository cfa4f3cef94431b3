"""Batches of a prediction, and what of it is in memory."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from otx.evaluation import finetune
from otx.evaluation.finetune import by_size
from otx.types import Example


@given(st.lists(st.integers(1, 50)), st.integers(1, 200))
def test_batches_hold_every_index_once_and_no_more_than_their_tokens(
    lengths: list[int], tokens: int
) -> None:
    batches = list(by_size(lengths, tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest == sorted(longest)
    # Padding is what sorting leaves of it, and no batch is smaller than it need be.
    for one, after in itertools.pairwise(batches):
        assert (len(one) + 1) * lengths[after[0]] > tokens


@dataclass(frozen=True)
class Text:
    """A feature: a text."""

    example: str
    text: str
    label: int | None = None

    @property
    def length(self) -> int:
        """Letters."""
        return len(self.text)


class Spelled:
    """A task whose prediction is the text itself, read off the logits, with one feature or two an example."""

    feature = Text
    info = SimpleNamespace(name="spelled", version="1")
    options = None

    def __init__(self) -> None:
        self.asked: list[int] = []

    def features(self, encoder: Any, examples: Sequence[Example]) -> list[Any]:
        self.asked.append(len(examples))
        return [
            Text(own.id, own.fields["text"])
            for own in examples
            for _ in range(1 + len(own.fields["text"]) % 2)
        ]

    def collate(self, encoder: Any, features: Sequence[Any]) -> tuple[torch.Tensor, None]:
        width = max(feature.length for feature in features)
        rows = [[*map(ord, f.text), *[0] * (width - f.length)] for f in features]
        return torch.tensor(rows).unsqueeze(-1), None

    def decode(self, features: Sequence[Any], logits: Sequence[torch.Tensor]) -> dict[str, str]:
        found = zip(features, logits, strict=True)
        return {f.example: "".join(map(chr, row[:, 0].int().tolist())) for f, row in found}


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 40])
def test_predictions_come_in_order_with_few_features_in_memory(
    count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path))
    monkeypatch.setattr(finetune, "PREDICT_AT_ONCE", 8)
    monkeypatch.setattr(finetune, "CPU_TOKENS", 20)
    backend = SimpleNamespace(backend_tokenizer=SimpleNamespace(to_str=lambda: "{}"))
    encoder = SimpleNamespace(module=nn.Linear(1, 1), tokenizer=backend, max_length=99)
    task = Spelled()
    examples = [
        Example(f"e{i}", "c", {"text": "x" * (i * 5 % 13 + 1) + str(i)}) for i in range(count)
    ]
    predict = finetune.predictor(cast(Any, task), cast(Any, encoder), nn.Identity(), None)
    made = []
    for place, (example, prediction) in enumerate(predict(examples)):
        # What was read so far is no more than one block ahead.
        assert sum(task.asked) <= (place // 8 + 1) * 8
        made.append((example.id, prediction))
    assert made == [(own.id, own.fields["text"]) for own in examples]
    assert max(task.asked, default=0) <= 8
