"""Counts of pairs, steps, parameters and bytes of an alignment, and warnings about unusual ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from otx.alignment.data import AlignmentData
from otx.alignment.peak_memory import PeakMemory
from otx.config.schema import AlignSettings
from otx.interfaces import Encoder
from otx.training.factories import count_trainable

UNKNOWN_SHOWN = 0.01
"""Share of unknown sub-words above which a warning names the language."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Counts of an alignment, for ``--dry-run`` and the record.

    Attributes:
        corpora: For each corpus its name, languages, ledger, sides cut by language, share of unknown sub-words by
            language, and fingerprint.
        steps: Number of optimiser steps.
        parameters: Number of trained parameters of the encoder.
        checkpoint_megabytes: Estimated size of a checkpoint: weights and two moments of the optimiser in float32.
        max_length: Maximum number of sub-words of one side of a pair, special tokens included.
        memory: Predicted peak of the memory on the device; None if it was not predicted.
    """

    corpora: list[dict[str, Any]]
    steps: int
    parameters: int
    checkpoint_megabytes: float
    max_length: int
    memory: PeakMemory | None = None


def summarise_run(align: AlignSettings, encoder: Encoder, data: AlignmentData) -> RunSummary:
    """Count pairs, steps, parameters and bytes.

    Args:
        align: Number of steps or epochs.
        encoder: The encoder, prepared for training.
        data: The text.
    """
    steps = align.steps or max(1, round(align.epochs * data.sampler.steps_per_epoch))
    size = sum(p.numel() * 4 for p in encoder.module.parameters())
    corpora = [
        {
            "name": train.name,
            "source": train.source_language,
            "pivot": train.pivot_language,
            "ledger": asdict(ledger),
            "cut_sides": tokens.cut_sides,
            "unknown_rate": tokens.unknown_rate,
            "fingerprint": train.fingerprint(),
        }
        for train, tokens, ledger in zip(data.train, data.tokenised, data.ledgers, strict=True)
    ]
    return RunSummary(
        corpora=corpora,
        steps=steps,
        parameters=count_trainable(encoder),
        checkpoint_megabytes=3 * size / 1e6,
        max_length=data.max_length,
    )


def warnings_for(encoder: Encoder, summary: RunSummary) -> list[str]:
    """Return the encoder's notes, and warnings about cut sentences and languages with many unknown sub-words.

    Args:
        encoder: The encoder.
        summary: The counts of the alignment.
    """
    lines = [str(note) for note in encoder.notes]
    for corpus in summary.corpora:
        for language, cut in corpus["cut_sides"].items():
            if cut:
                lines.append(
                    f"{corpus['name']}: {cut:,} of {corpus['ledger']['used']:,} {language} sentences are cut at "
                    f"{summary.max_length} sub-words (encoder.max_length)"
                )
        for language, share in corpus["unknown_rate"].items():
            if share > UNKNOWN_SHOWN:
                lines.append(
                    f"{corpus['name']}: the tokenizer does not know {share:.1%} of the {language} sub-words"
                )
    return lines
