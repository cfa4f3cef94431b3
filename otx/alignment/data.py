"""The text of an alignment: corpora, held-out pairs, distractors, tokenised pairs, batches and gold word links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.config.option_tables import OptionSource
from otx.config.schema import DataSettings, DiagnosticsSettings
from otx.data.batches import BatchSampler
from otx.data.cache import cache_folder
from otx.data.corpora import open_corpora
from otx.data.distractors import draw_distractors
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.holdout import Split, split
from otx.data.ledger import Ledger, count_used
from otx.data.tokenised import TokenisedPairs, tokenise
from otx.errors import DataError
from otx.interfaces import Corpus, Encoder
from otx.links.gold import GoldPair, outside_note, read_gold
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter

SPLIT_SEED = 0
"""The same for all runs: which pairs are held out, and what diagnostics measure, does not depend on ``align.seed``."""


@dataclass(slots=True)
class AlignmentData:
    """The text side of an alignment: training pairs, held-out pairs, and the order of batches.

    Attributes:
        train: Training pairs of every corpus.
        select: Held-out pairs that select the encoder to keep.
        report: Held-out pairs whose numbers are reported.
        distractors: Training pairs of every corpus that held-out retrieval also searches.
        tokenised: Sub-words of the training pairs of every corpus.
        sampler: Draws the micro-batches of every step.
        ledgers: Counts of where the lines of every corpus went.
        gold: Gold word links for the diagnostics.
        max_length: Maximum number of sub-words of one side of a pair, special tokens included.
    """

    train: list[Corpus]
    select: list[Corpus]
    report: list[Corpus]
    distractors: list[Corpus]
    tokenised: list[TokenisedPairs]
    sampler: BatchSampler
    ledgers: list[Ledger]
    gold: list[GoldPair]
    max_length: int


@dataclass(frozen=True, slots=True)
class SplitCorpora:
    """Corpora after filtering and splitting.

    Attributes:
        opened: The corpora as opened.
        kept: What the filters kept of each.
        filtered: Number of pairs that each filter removed, by reason, for each corpus.
        parts: Training, selection and report part of each corpus.
    """

    opened: list[Corpus]
    kept: list[Corpus]
    filtered: list[dict[str, int]]
    parts: list[Split]


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """Inputs of the order of batches, besides the text.

    Attributes:
        seed: ``align.seed``.
        accumulate: Number of micro-batches in an optimiser step.
    """

    seed: int
    accumulate: int = 1


def split_corpora(data: DataSettings, registry: Registry, options: OptionSource) -> SplitCorpora:
    """Open, filter and split the corpora.

    Args:
        data: Names of the corpora, filters and number of held-out sentences.
        registry: The registered corpora.
        options: Their options.

    Raises:
        UsageError: For a text that no corpus plugin understands.
        DataError: For files that cannot be used, and if the filters leave no pair of a corpus.
    """
    corpora = open_corpora(data.corpus, registry, options, data)
    filters = FilterSettings(data.drop_duplicates, data.length_ratio, data.drop_identical)
    kept, counts = [], []
    for corpus in corpora:
        filtered, count = filter_corpus(corpus, filters)
        if len(filtered) == 0:
            raise DataError(
                f"corpus {corpus.name}: no pair is left",
                "look at problems.jsonl, and at the filters in [data]",
            )
        kept.append(filtered)
        counts.append(count)
    return SplitCorpora(corpora, kept, counts, split(kept, data.heldout, SPLIT_SEED))


def load_data(
    corpora: SplitCorpora,
    encoder: Encoder,
    reporter: Reporter,
    *,
    data: DataSettings,
    diagnostics: DiagnosticsSettings,
    order: BatchOrder,
    max_length: int,
) -> AlignmentData:
    """Tokenise the corpora, draw the distractors, order the batches, and read the gold word links.

    Args:
        corpora: Corpora after splitting.
        encoder: Its tokenizer is used.
        reporter: Receives stages and notices.
        data: Size and shares of the batches.
        diagnostics: Number of retrieval candidates, and the gold word links.
        order: Seed and accumulation of the batches.
        max_length: Maximum number of sub-words of one side of a pair, special tokens included.
    """
    train, select, report = (list(part) for part in zip(*corpora.parts, strict=True))
    held_out = [max(map(len, halves)) for halves in zip(select, report, strict=True)]
    distractors: list[Corpus] = [
        *draw_distractors(train, held_out, diagnostics.candidates, SPLIT_SEED)
    ]
    reporter.stage("Tokenising the corpora")
    tokenised = [
        tokenise(corpus, encoder, cache_folder(), max_length=max_length, reporter=reporter)
        for corpus in train
    ]
    sampler = BatchSampler(
        [pairs.order for pairs in tokenised],
        batch_tokens=data.batch_tokens,
        seed=order.seed,
        sampling=data.sampling,
        every_pair=data.every_pair,
        accumulate=order.accumulate,
    )
    ledgers = [
        _count(corpus, part, tokens, count)
        for corpus, part, tokens, count in zip(
            corpora.kept, corpora.parts, tokenised, corpora.filtered, strict=True
        )
    ]
    gold = gold_pairs(diagnostics, corpora.opened)
    if note := outside_note(gold):
        reporter.notice(note)
    return AlignmentData(
        train=train,
        select=select,
        report=report,
        distractors=distractors,
        tokenised=tokenised,
        sampler=sampler,
        ledgers=ledgers,
        gold=gold,
        max_length=max_length,
    )


def _count(corpus: Corpus, part: Split, tokens: TokenisedPairs, filtered: dict[str, int]) -> Ledger:
    """Count where the lines of a filtered corpus went."""
    held_out = len(part.select) + len(part.report)
    left_out = {
        "held-out-sentence": len(corpus) - len(part.train) - held_out,
        "wordless": len(part.train) - tokens.drawn,
    }
    return count_used(
        corpus,
        tokens.drawn,
        tokens.drawn_lines(),
        held_out=held_out,
        filtered=filtered | left_out,
    )


def gold_pairs(diagnostics: DiagnosticsSettings, corpora: Sequence[Corpus]) -> list[GoldPair]:
    """Return the gold word links that diagnostics measure against.

    Args:
        diagnostics: Names a file of gold links; without one, the corpora's own are used.
        corpora: The corpora as opened.

    Raises:
        DataError: If a file cannot be used.
    """
    if diagnostics.gold is not None:
        return read_gold(Path(diagnostics.gold), index_base=diagnostics.index_base)
    pairs: list[GoldPair] = []
    for corpus in corpora:
        if corpus.gold is not None:
            gold, sentences = corpus.gold
            # A corpus counts its words from 0, as its interface says.
            pairs += read_gold(gold, sentences, index_base=0)
    return pairs
