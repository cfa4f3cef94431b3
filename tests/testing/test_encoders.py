"""An encoder that keeps its contract passes; each way to break it is named."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import otx_encoders
from otx.errors import PluginError
from otx.plugin_host.registry import Registry
from otx.testing import check_encoder
from otx.types import Encoded, TokenBatch, TokenRow
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions
from otx_encoders.tokenisation import tokenise


class Good(HuggingFaceEncoder):
    def __init__(self, reference: str) -> None:
        super().__init__(reference, EncoderOptions())


class WordsFromOne(Good):
    def tokenise(self, texts: Sequence[str], **how: Any) -> list[TokenRow]:
        rows = super().tokenise(texts, **how)
        return [replace(r, word_index=[w + (w >= 0) for w in r.word_index]) for r in rows]


class CutsInWords(Good):
    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        rows = super().tokenise(texts, pretokenised=pretokenised)
        limit = max_length or self.max_length
        return [replace(r, ids=r.ids[:limit], word_index=r.word_index[:limit]) for r in rows]


class CountsNoCuts(Good):
    def tokenise(self, texts: Sequence[str], **how: Any) -> list[TokenRow]:
        return [replace(row, cut=0) for row in super().tokenise(texts, **how)]


class IgnoresTheLimit(Good):
    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        return super().tokenise(texts, pretokenised=pretokenised)


class KeepsTheLimit(Good):
    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        self.max_length = max_length or self.max_length
        return super().tokenise(texts, pretokenised=pretokenised)


class LongerThanItself(Good):
    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        return tokenise(
            self.tokenizer, texts, max_length or self.max_length, pretokenised=pretokenised
        )


class ReadsPadding(Good):
    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        return super().encode(
            replace(batch, mask=torch.ones_like(batch.mask), lengths=None), layers
        )


class PaddingIsAWord(Good):
    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        batch = super().collate(rows)
        return replace(batch, word_index=batch.word_index.where(batch.mask, 0))


class Frozen(Good):
    @torch.no_grad()
    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        return super().encode(batch, layers)


class DigestOfTheName(Good):
    def digest(self) -> str:
        return self.reference


class SharesItsWeights(Good):
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.copy(self)


class SavesOtherWeights(Good):
    def save(self, folder: Path) -> None:
        twin = Good.__deepcopy__(self, {})
        with torch.no_grad():
            next(twin.module.parameters()).add_(1.0)
        Good.save(twin, folder)


class HeadOutside(Good):
    """As the charcnn plugin was: scored without a word, and not found by predict."""

    def fresh_head(self, kind: str, labels: Sequence[str]) -> nn.Module:
        encoder = self

        class Head(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.out = nn.Linear(encoder.dimension, len(labels) or 2)

            def forward(self, batch: TokenBatch) -> torch.Tensor:
                logits: torch.Tensor = self.out(encoder.encode(batch).tokens[-1])
                return logits

        return Head()


class HeadForgotten(Good):
    def carried_head(self, kind: str) -> nn.Module | None:
        return None


class HeadOfOtherLabels(Good):
    def carried_head(self, kind: str) -> nn.Module | None:
        head = super().carried_head(kind)
        if head is not None:
            head.labels = head.labels[::-1]  # type: ignore[operator,assignment]
        return head


@pytest.mark.parametrize("name", ["mini", "huggingface"])
def test_ours_pass(name: str, tiny_model: Path) -> None:
    # e5-small is of the same class, and its 118 M parameters would take half a minute.
    registry = Registry("otx")
    otx_encoders.otx_register(registry)
    entry = registry.find("encoder", name)
    reference = str(tiny_model) if name == "huggingface" else name
    check_encoder(lambda one: entry.make(one, EncoderOptions()), reference)


def test_a_good_encoder_passes(tiny_model: Path) -> None:
    passed: list[str] = []
    check_encoder(Good, str(tiny_model), passed=passed.append)
    assert len(passed) == 11 and "its head for token-classification is in module" in passed[-1]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (WordsFromOne, "by the tokenizer's offsets they are"),
        (CutsInWords, r"is cut in two|words .* are kept"),
        (CountsNoCuts, "are kept, but the row counts"),
        (IgnoresTheLimit, "with max_length 8 a text has"),
        (KeepsTheLimit, "tokenise changes the encoder's max_length"),
        (LongerThanItself, "with max_length 512 a text has"),
        (PaddingIsAWord, "gives padding a word"),
        (ReadsPadding, "in a batch with longer texts its states differ"),
        (Frozen, "its states have no gradient"),
        (DigestOfTheName, "digest stays the same when a weight changes"),
        (SharesItsWeights, "digest stays the same|changes the encoder"),
        (SavesOtherWeights, "saved and loaded, it has another digest"),
        (HeadOutside, r"module does not contain out\.weight.*neither trained nor saved"),
        (HeadForgotten, "otx predict would find no head"),
        (HeadOfOtherLabels, "has labels"),
    ],
)
def test_a_broken_one_is_named(broken: Any, complaint: str, tiny_model: Path) -> None:
    with pytest.raises(PluginError, match=f"the encoder breaks its contract: .*({complaint})"):
        check_encoder(broken, str(tiny_model))
