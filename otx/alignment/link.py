"""Write word links of a bitext: corpus -> parts of it -> encoder -> links -> Pharaoh file, resumable and shared."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from otx.alignment.link_parts import LinkParts, Outputs
from otx.config.option_tables import OptionSource
from otx.config.schema import DataSettings
from otx.data.corpora import open_corpora
from otx.data.ledger import Ledger, count_lines
from otx.data.lines import REPAIRED
from otx.data.subset import each_problem, pick
from otx.errors import DataError, UsageError
from otx.files.digests import short_key
from otx.interfaces import Corpus, Encoder
from otx.links import direction
from otx.links.methods import LinkTable, MethodSettings
from otx.links.sidecar import LinksRecord
from otx.links.word_vectors import encode_words, link_texts
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter
from otx.training.factories import open_encoder
from otx.training.runtime import StopSignals, open_device
from otx.training.session import Session
from otx.types import TokenRow, WordVector

PART = 1024
"""Pairs of a part: they are sorted by length together, held in memory as word vectors, and lost by a killed process."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Result of ``link``.

    Attributes:
        direction: Order of the languages in a link: ``en-es``.
        lines: Number of lines of links; a refused line of the corpus has an empty one.
        ledger: Counts of where the lines of the corpus went.
    """

    direction: str
    lines: int
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class LinkReading:
    """Options for reading word vectors from an encoder and linking them.

    Attributes:
        method: Method that finds the links, with its options.
        layer: Hidden layer of the word vectors.
        word_vector: Sub-words that make a word's vector.
        max_length: Maximum number of sub-words of one side, special tokens included.
        batch_tokens: Maximum number of sub-words of a batch, padding included.
        order: Languages of the first and the second index of a link.
    """

    method: MethodSettings
    layer: int
    word_vector: WordVector
    max_length: int
    batch_tokens: int
    order: tuple[str, str]


def link(
    session: Session, spec: str, model: str, *, method: MethodSettings, outputs: Outputs
) -> Linked:
    """Extract word links for every pair of a corpus, and record their direction.

    A line that the corpus refuses has an empty line, whatever the share of such lines, because nothing is trained here.
    The order of the languages in a link is that of the corpus's name (``otx.links.direction``). Safe to interrupt: the
    same call again resumes. Several processes, also on several nodes with a common disk, may make the same call at
    once: each part is computed by one of them, and by another if that one dies.

    Args:
        session: The settings, plugins and reporter.
        spec: The corpus, of one language pair.
        model: Reference of the encoder.
        method: Method that finds the links, with its options.
        outputs: The files to write. Line k of the links belongs to line k of the corpus's files.

    Raises:
        UsageError: If an output file exists and was not begun by the same call, or the corpus has several pairs.
        Interrupted: After a signal (exit 5), with every finished part kept.
    """
    settings, reporter = session.settings, session.reporter
    outputs.check_names()
    device = open_device(settings.runtime.device)
    with StopSignals("run the same command again to resume") as signals:
        reporter.stage("Reading the corpus")
        corpus = one_corpus(spec, session.registry, settings.option_tables, settings.data)
        if not corpus.pretokenised:
            reporter.notice(
                f"{corpus.name} is not pre-tokenised: links count otx's own words, "
                "not the tokens between spaces"
            )
        reporter.stage(f"Loading encoder {model}")
        encoder = open_encoder(model, session.registry, settings.option_tables)
        encoder.module.to(device)
        how = _reading(session, spec, corpus, encoder, method)
        record = LinksRecord(
            direction=direction.name(how.order),
            index_base=0,
            corpus=corpus.name,
            corpus_digest=corpus.fingerprint(),
            lines=_count_lines(corpus),
            key=short_key(
                corpus.fingerprint(),
                encoder.digest(),
                asdict(replace(how, batch_tokens=0)),
                [PART, outputs.probabilities is not None],
            ),
        )
        linked = Linked(record.direction, record.lines or 0, count_lines(corpus))
        parts = LinkParts(outputs, str(record.key), -(-len(corpus) // PART))
        if parts.is_joined:
            reporter.notice(f"{outputs.links} is complete already")
            return linked
        if done := parts.begin():
            pairs = min(done * PART, len(corpus))
            reporter.notice(f"resuming: {pairs:,} of {len(corpus):,} pairs have links")
        try:
            _compute_parts(parts, _Linker(corpus, encoder, how), signals, reporter)
        finally:
            parts.close()
        last = corpus[len(corpus) - 1].line if len(corpus) else 0
        cut = parts.join(record, linked.lines - last)
        if cut:
            reporter.notice(
                f"{cut:,} pairs were cut at {how.max_length} sub-words (encoder.max_length): "
                "the words beyond have no links"
            )
        return linked


def _reading(
    session: Session, spec: str, corpus: Corpus, encoder: Encoder, method: MethodSettings
) -> LinkReading:
    settings = session.settings
    languages = corpus.source_language, corpus.pivot_language
    return LinkReading(
        method=method,
        layer=settings.encoder.layer,
        word_vector=settings.encoder.word_vector,
        max_length=min(encoder.max_length, settings.encoder.max_length),
        batch_tokens=settings.data.batch_tokens,
        order=direction.ordered([spec, corpus.name], languages),
    )


def _compute_parts(
    parts: LinkParts, linker: _Linker, signals: StopSignals, reporter: Reporter
) -> None:
    """Compute every part that no other process computes; the next part is tokenised meanwhile."""
    total = len(linker.corpus)
    in_hand: tuple[int, Future[_Texts]] | None = None

    def finish(part: int, texts: _Texts) -> None:
        lines = linker.link(texts)
        with signals.deferred():
            parts.write(part, lines, texts.cut)
        if signals.requested:
            raise KeyboardInterrupt
        parts.release(part)
        reporter.progress("link", min((part + 1) * PART, total), total, {})

    with ThreadPoolExecutor(1) as thread:
        for part in parts.claim():
            following = None if part is None else (part, thread.submit(linker.read, part))
            if in_hand is not None:
                finish(in_hand[0], in_hand[1].result())
            elif part is None:
                pids = ", ".join(sorted({*parts.held_elsewhere.values()}))
                reporter.stage(f"Waiting for process {pids}")
                parts.wait()
            in_hand = following
        if in_hand is not None:
            finish(in_hand[0], in_hand[1].result())


def _count_lines(corpus: Corpus) -> int:
    """Return the number of lines of the corpus's files up to the last that is a pair or refused."""
    refused = (p.line for p in each_problem(corpus) if p.kind not in REPAIRED)
    last = corpus[len(corpus) - 1].line if len(corpus) else 0
    return max(last, max(refused, default=0))


def one_corpus(spec: str, registry: Registry, options: OptionSource, data: DataSettings) -> Corpus:
    """Open the one language pair of a corpus, whatever share of its lines is refused.

    Args:
        spec: The corpus, as ``--corpus`` takes it.
        registry: The registered corpora.
        options: Their options.
        data: Pivot language.

    Raises:
        UsageError: If the corpus has several language pairs.
    """
    corpora = open_corpora([spec], registry, options, data, any_share=True)
    if len(corpora) > 1:
        names = ", ".join(corpus.name for corpus in corpora)
        raise UsageError(f"'{spec}' has several language pairs: {names}", "name one of them")
    return corpora[0]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a part as sub-words.

    Attributes:
        before: Line of the pair before the part; 0 for the first.
        lines: The pairs' lines in the corpus's files.
        rows: All source texts, then all pivot texts.
        cut: Number of pairs that lost words to the length limit.
    """

    before: int
    lines: list[int]
    rows: list[TokenRow]
    cut: int


class _Linker:
    """Reads and links the parts of a corpus.

    Args:
        corpus: The corpus.
        encoder: The encoder, on its device.
        how: Options for reading and linking word vectors.
    """

    def __init__(self, corpus: Corpus, encoder: Encoder, how: LinkReading) -> None:
        self.corpus, self.encoder, self.how = corpus, encoder, how

    def read(self, part: int) -> _Texts:
        """Read and tokenise a part."""
        start, stop = part * PART, min((part + 1) * PART, len(self.corpus))
        pairs = pick(self.corpus, np.arange(start, stop))
        lines = [self.corpus[start - 1].line if start else 0, *(pair.line for pair in pairs)]
        for earlier, later in pairwise(lines):
            if later <= earlier:
                raise DataError(
                    f"the corpus's pairs are not in the order of its lines: {later} after {earlier}",
                    "links are found by their line: give line-aligned files",
                )
        rows = self.encoder.tokenise(
            [*(pair.source for pair in pairs), *(pair.pivot for pair in pairs)],
            pretokenised=self.corpus.pretokenised,
            max_length=self.how.max_length,
        )
        sides = zip(rows[: len(pairs)], rows[len(pairs) :], strict=True)
        cut = sum(bool(source.cut or pivot.cut) for source, pivot in sides)
        return _Texts(lines[0], lines[1:], rows, cut)

    def link(self, texts: _Texts) -> tuple[list[str], list[str]]:
        """Return the lines of links and of probabilities, an empty one for each refused line."""
        how, count = self.how, len(texts.lines)
        words = encode_words(
            self.encoder,
            texts.rows,
            layer=how.layer,
            word_vector=how.word_vector,
            batch_tokens=how.batch_tokens,
        )
        sides = np.arange(count), np.arange(count, 2 * count)
        table = link_texts(words, *sides, how.method)
        if how.order != (self.corpus.source_language, self.corpus.pivot_language):
            table = _swapped(table)
        places = [line - texts.before - 1 for line in texts.lines]
        both = []
        for column in _formatted(table, count):
            lines = [""] * (places[-1] + 1)
            for place, line in zip(places, column, strict=True):
                lines[place] = line
            both.append(lines)
        return both[0], both[1]


def _swapped(table: LinkTable) -> LinkTable:
    order = np.lexsort((table.source, table.target, table.pair))
    columns = (table.pair, table.target, table.source, table.strength)
    return LinkTable(*(column[order] for column in columns))


def _formatted(table: LinkTable, count: int) -> tuple[list[str], list[str]]:
    """Return the links of each pair in Pharaoh notation, and their probabilities."""
    words = zip(table.source.tolist(), table.target.tolist(), strict=True)
    items = [f"{i}-{j}" for i, j in words], [f"{sure:.4f}" for sure in table.strength.tolist()]
    ends = np.searchsorted(table.pair, np.arange(count + 1)).tolist()
    links, sure = ([" ".join(item[a:b]) for a, b in pairwise(ends)] for item in items)
    return links, sure
