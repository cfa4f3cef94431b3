"""What a run would do: counts of pairs, steps, parameters and bytes, and what is unusual about them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from otx.alignment.data import AlignmentData
from otx.config.settings import Settings
from otx.interfaces import Encoder
from otx.training.factories import trainable

UNKNOWN_SHOWN = 0.01
"""Share of unknown sub-words above which a language is named."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run would do: for ``--dry-run`` and the record."""

    corpora: list[dict[str, Any]]
    steps: int
    parameters: int
    checkpoint_megabytes: float
    max_length: int


def summarise_run(settings: Settings, encoder: Encoder, material: AlignmentData) -> RunSummary:
    """Counts of pairs, steps, parameters and bytes."""
    wanted = settings.align
    steps = wanted.steps or max(1, round(wanted.epochs * material.plan.steps_per_epoch))
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
        for train, tokens, ledger in zip(
            material.train, material.tokenised, material.ledgers, strict=True
        )
    ]
    return RunSummary(corpora, steps, trainable(encoder), 3 * size / 1e6, material.max_length)


def warnings_for(encoder: Encoder, outline: RunSummary) -> list[str]:
    """The encoder's notes on its checkpoint, what was cut, and languages that its tokenizer hardly knows."""
    lines = [str(note) for note in getattr(encoder, "notes", [])]
    for corpus in outline.corpora:
        for language, cut in corpus["cut_sides"].items():
            if cut:
                lines.append(
                    f"{corpus['name']}: {cut:,} of {corpus['ledger']['used']:,} {language} sentences are cut at "
                    f"{outline.max_length} sub-words (encoder.max_length)"
                )
        for language, share in corpus["unknown_rate"].items():
            if share > UNKNOWN_SHOWN:
                lines.append(
                    f"{corpus['name']}: the tokenizer does not know {share:.1%} of the {language} sub-words"
                )
    return lines
