"""From settings to the things they name: encoder, objectives, corpora, held-out pairs, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otx.config.settings import Settings
from otx.plugin_host.interface_checks import objective_faults
from otx.interfaces import Corpus, Encoder
from otx.data.batches import BatchPlan
from otx.data.cache import cache_folder
from otx.data.corpora import open_corpora
from otx.data.distractors import draw_distractors
from otx.data.filters import FilterSettings, filter_corpus
from otx.data.idf import Idf
from otx.data.ledger import Ledger, count_used
from otx.data.holdout import Split, split
from otx.data.tokenised import TokenisedPairs, tokenise
from otx.training.weighted_objective import Composite
from otx.reporter import Reporter
from otx.errors import DataError, UsageError
from otx.links.gold import GoldPair, outside_note, read_gold
from otx.plugin_host.registry import Registry
from otx.config.roles import digested_options
from otx.did_you_mean import nearest
from otx.config.objective_term import Term, parse_term

DEFAULT_ENCODER = "huggingface"
KEEP_CLOSE = "keep-close"
PAPER_RATE = 5e-5
"""Alqahtani et al.'s, for mBERT and XLM-R base."""
SPLIT_SEED = 0
"""One for all runs: what is held out, and so what guards measure, does not depend on the run's seed."""


@dataclass(slots=True)
class Material:
    """The text side of a run: what is trained on, what is held out, and how it is drawn.

    ``ledgers`` count where the lines of each corpus went.
    ``distractors`` are pairs of ``train``, by corpus, that held-out retrieval searches besides the held-out pairs.
    """

    train: list[Corpus]
    select: list[Corpus]
    report: list[Corpus]
    distractors: list[Corpus]
    tokenised: list[TokenisedPairs]
    plan: BatchPlan
    ledgers: list[Ledger]
    gold: list[GoldPair]


def open_encoder(reference: str, registry: Registry, settings: Settings) -> Encoder:
    """``mini`` or another registered name, ``name:reference`` for a plugin, else a Hugging Face folder or Hub id."""
    name, rest = plugin_of(reference, registry)
    entry = registry.find("encoder", name)
    try:
        encoder: Encoder = entry.make(rest, settings.options_for(entry))
    except DataError as error:
        named = reference.partition(":")[0]
        if name != DEFAULT_ENCODER or "/" in named or Path(named).exists():
            raise
        # Perhaps the name of an encoder was meant.
        meant = nearest(reference, [entry.name for entry in registry.entries("encoder")])
        advice = f"did you mean '{meant}'? (otx list encoders)" if meant else error.remedy
        hints = [hint for hint in (registry.absence_hint(named), advice) if hint]
        raise DataError(error.message, "; ".join(hints) or None) from error
    return encoder


def plugin_of(reference: str, registry: Registry) -> tuple[str, str]:
    """The encoder plugin that a model reference goes to, and what of it is for the plugin to read."""
    entries = registry.entries("encoder")
    owner, name, rest = "", *reference.partition(":")[::2]
    if name in {entry.distribution for entry in entries}:
        # DIST:NAME settles a clash.
        owner, (name, _, rest) = f"{name}:", rest.partition(":")
    if name in {entry.name for entry in entries}:
        return owner + name, rest or name
    return DEFAULT_ENCODER, reference


def terms(settings: Settings) -> list[Term]:
    """Every term: those asked for, and ``keep-close`` unless it is among them or weighs nothing."""
    wanted = [parse_term(text) for text in settings.align.objective]
    weight = settings.align.keep_close
    if weight > 0 and all(term.name.rpartition(":")[2] != KEEP_CLOSE for term in wanted):
        wanted.append(Term(KEEP_CLOSE, weight, weight))
    return wanted


def make_objective(settings: Settings, registry: Registry, dimension: int) -> Composite:
    """The weighted objectives of ``align.objective`` and the ``keep-close`` that goes with them, options checked."""
    parts = []
    for term in terms(settings):
        entry = registry.find("objective", term.name)
        objective = entry.make(settings.options_for(entry), dimension)
        for fault in objective_faults(objective):
            raise entry.owner.fault(fault, "see otx.interfaces")
        parts.append((term, objective))
    if not parts:
        raise UsageError(
            "no objective is given", "name one with --objective; see otx list objectives"
        )
    return Composite(parts)


def options_in_force(settings: Settings, registry: Registry) -> dict[str, Any]:
    """The options, defaults included, of the encoder and of every objective that is trained with."""
    encoder = registry.find("encoder", plugin_of(settings.align.model, registry)[0])
    objectives = [registry.find("objective", term.name) for term in terms(settings)]
    return {
        entry.name: digested_options(settings.options_for(entry))
        for entry in [encoder, *objectives]
    }


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
    align = settings.align
    corpora = open_corpora(align.corpus, registry, settings)
    filters = FilterSettings(align.drop_duplicates, align.length_ratio, align.drop_identical)
    kept, counts = [], []
    for corpus in corpora:
        filtered, count = filter_corpus(corpus, filters)
        if len(filtered) == 0:
            raise DataError(
                f"corpus {corpus.name}: no pair is left", "look at problems.jsonl and the filters"
            )
        kept.append(filtered)
        counts.append(count)
    return SplitCorpora(corpora, kept, counts, split(kept, align.heldout, SPLIT_SEED))


def gather(
    settings: Settings, registry: Registry, encoder: Encoder, reporter: Reporter
) -> Material:
    """Open, filter, split and tokenise the corpora, and plan their batches."""
    align = settings.align
    reporter.stage("reading the corpora")
    corpora = split_corpora(settings, registry)
    train, select, report = (list(part) for part in zip(*corpora.parts, strict=True))
    held_out = [max(map(len, halves)) for halves in zip(select, report, strict=True)]
    distractors: list[Corpus] = [*draw_distractors(train, held_out, align.candidates, SPLIT_SEED)]
    reporter.stage("cutting the text into sub-words")
    tokenised = [tokenise(corpus, encoder, cache_folder()) for corpus in train]
    plan = BatchPlan(
        [pairs.lengths for pairs in tokenised],
        batch_tokens=align.batch_tokens,
        seed=align.seed,
        sampling=align.sampling,
        every_pair=align.every_pair,
        accumulate=align.accumulate,
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
    return Material(train, select, report, distractors, tokenised, plan, ledgers, gold)


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
    if settings.align.gold is not None:
        return read_gold(Path(settings.align.gold), index_base=settings.align.index_base)
    found: list[GoldPair] = []
    for corpus in corpora:
        files = getattr(corpus, "gold", None)
        if files is not None:
            gold, sentences = files
            # A corpus counts its words from 0, as its interface says.
            found += read_gold(gold, sentences, index_base=0)
    return found


def count_idf(material: Material) -> list[tuple[Idf, Idf]]:
    """Inverse document frequencies of both sides of every training corpus."""
    return [(Idf.count(own, "source"), Idf.count(own, "pivot")) for own in material.tokenised]


def learning_rate(settings: Settings, encoder: Encoder) -> float:
    """The peak learning rate: ``align.lr``, else the encoder's own, else the paper's."""
    return settings.align.lr or float(getattr(encoder, "learning_rate", PAPER_RATE))


def trainable(encoder: Encoder) -> int:
    """How many parameters would be trained."""
    return sum(p.numel() for p in encoder.module.parameters() if p.requires_grad)
