"""From settings to the things they name: encoder, objectives, corpora, held-out pairs, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.config.settings import Settings
from otx.data.batches import BatchSampler
from otx.data.cache import cache_folder
from otx.data.corpora import open_corpora
from otx.data.distractors import draw_distractors
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.holdout import Split, split
from otx.data.idf import Idf
from otx.data.ledger import Ledger, count_used
from otx.data.tokenised import TokenisedPairs, tokenise
from otx.errors import DataError
from otx.interfaces import Corpus, Encoder
from otx.links.gold import GoldPair, outside_note, read_gold
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter

SPLIT_SEED = 0
"""One for all runs: what is held out, and so what guards measure, does not depend on the run's seed."""


@dataclass(slots=True)
class AlignmentData:
    """The text side of a run: what is trained on, what is held out, and how it is drawn.

    ``ledgers`` count where the lines of each corpus went.
    ``distractors`` are pairs of ``train``, by corpus, that held-out retrieval searches besides the held-out pairs.
    """

    train: list[Corpus]
    select: list[Corpus]
    report: list[Corpus]
    distractors: list[Corpus]
    tokenised: list[TokenisedPairs]
    plan: BatchSampler
    ledgers: list[Ledger]
    gold: list[GoldPair]
    max_length: int
    """Longest side of a pair in sub-words, special tokens included."""


@dataclass(frozen=True, slots=True)
class SplitCorpora:
    """The corpora as opened, what the filters kept of each, how many went for each reason, and the parts."""

    opened: list[Corpus]
    kept: list[Corpus]
    filtered: list[dict[str, int]]
    parts: list[Split]


def split_corpora(settings: Settings, registry: Registry) -> SplitCorpora:
    """Open, filter and split the corpora.

    Raises:
        UsageError: For what no corpus plugin understands.
        DataError: For files that cannot be used, and where the filters leave nothing.
    """
    data = settings.data
    corpora = open_corpora(data.corpus, registry, settings)
    filters = FilterSettings(data.drop_duplicates, data.length_ratio, data.drop_identical)
    kept, counts = [], []
    for corpus in corpora:
        filtered, count = filter_corpus(corpus, filters)
        if len(filtered) == 0:
            raise DataError(
                f"corpus {corpus.name}: no pair is left", "look at problems.jsonl and the filters"
            )
        kept.append(filtered)
        counts.append(count)
    return SplitCorpora(corpora, kept, counts, split(kept, data.heldout, SPLIT_SEED))


def load_data(
    settings: Settings, registry: Registry, encoder: Encoder, reporter: Reporter, *, max_length: int
) -> AlignmentData:
    """Open, filter, split and tokenise the corpora, and plan their batches."""
    data = settings.data
    reporter.stage("reading the corpora")
    corpora = split_corpora(settings, registry)
    train, select, report = (list(part) for part in zip(*corpora.parts, strict=True))
    held_out = [max(map(len, halves)) for halves in zip(select, report, strict=True)]
    distractors: list[Corpus] = [
        *draw_distractors(train, held_out, settings.diagnostics.candidates, SPLIT_SEED)
    ]
    reporter.stage("cutting the text into sub-words")
    tokenised = [
        tokenise(corpus, encoder, cache_folder(), max_length=max_length) for corpus in train
    ]
    plan = BatchSampler(
        [pairs.lengths for pairs in tokenised],
        batch_tokens=data.batch_tokens,
        seed=settings.align.seed,
        sampling=data.sampling,
        every_pair=data.every_pair,
        accumulate=settings.optimizer.accumulate,
    )
    ledgers = [
        _count(corpus, part, tokens, count)
        for corpus, part, tokens, count in zip(
            corpora.kept, corpora.parts, tokenised, corpora.filtered, strict=True
        )
    ]
    gold = gold_pairs(settings, corpora.opened)
    if note := outside_note(gold):
        reporter.notice(note)
    return AlignmentData(
        train, select, report, distractors, tokenised, plan, ledgers, gold, max_length
    )


def _count(corpus: Corpus, part: Split, tokens: TokenisedPairs, filtered: dict[str, int]) -> Ledger:
    """Where the lines of a corpus went, ``corpus`` being what the filters left of it."""
    held_out = len(part.select) + len(part.report)
    used = tokens.drawn_lines()
    left_out = {
        "held-out-sentence": len(corpus) - len(part.train) - held_out,
        "wordless": len(part.train) - len(used),
    }
    return count_used(corpus, used, held_out, filtered | left_out)


def gold_pairs(settings: Settings, corpora: Sequence[Corpus]) -> list[GoldPair]:
    """The gold word alignments for the guards: ``--gold FILE``, else those that a corpus brings for its languages."""
    if settings.diagnostics.gold is not None:
        return read_gold(
            Path(settings.diagnostics.gold), index_base=settings.diagnostics.index_base
        )
    found: list[GoldPair] = []
    for corpus in corpora:
        files = getattr(corpus, "gold", None)
        if files is not None:
            gold, sentences = files
            # A corpus counts its words from 0, as its interface says.
            found += read_gold(gold, sentences, index_base=0)
    return found


def count_idf(material: AlignmentData) -> list[tuple[Idf, Idf]]:
    """Inverse document frequencies of both sides of every training corpus."""
    return [(Idf.count(own, "source"), Idf.count(own, "pivot")) for own in material.tokenised]
