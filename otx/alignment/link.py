"""Write word links of a bitext: corpus -> windows of pairs -> encoder -> links -> Pharaoh file, resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from otx.config.option_tables import OptionSource
from otx.config.schema import DataSettings
from otx.data.corpora import open_corpora
from otx.data.inference import reading
from otx.data.ledger import Ledger, count_lines
from otx.data.lines import REPAIRED
from otx.errors import DataError, UsageError
from otx.files import atomic
from otx.files.digests import short_key
from otx.files.reading import read_object
from otx.files.shapes import COUNT, check_shape
from otx.interfaces import Corpus, Encoder
from otx.links import direction
from otx.links.methods import Found, MethodSettings, find_links
from otx.links.pharaoh import GoldLinks, format_pharaoh
from otx.links.sidecar import LinksRecord, record_path, write_record
from otx.plugin_host.registry import Registry
from otx.training.factories import open_encoder
from otx.training.runtime import StopSignals, open_device
from otx.training.session import Session
from otx.types import TokenRow, WordVector

WINDOW = 512
"""Number of pairs that are sorted by length together, and after which the written links count as done."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that links are written to.

    Attributes:
        links: File of links, one line for each line of the corpus's files.
        probabilities: File of the probability of each link, laid out alike; None writes none.
    """

    links: Path
    probabilities: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are written line by line."""
        return [self.links, *([] if self.probabilities is None else [self.probabilities])]

    @property
    def record(self) -> Path:
        """The file that states the direction of the links."""
        return record_path(self.links)

    @property
    def state(self) -> Path:
        """The file of what is done so far; removed at the end."""
        return self.links.with_name(f".{self.links.name}.state")


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
        batch_tokens: Maximum number of sub-words of a batch, of both sides together, padding included.
    """

    method: MethodSettings
    layer: int
    word_vector: WordVector
    max_length: int
    batch_tokens: int


def link(
    session: Session, spec: str, model: str, *, method: MethodSettings, outputs: Outputs
) -> Linked:
    """Extract word links for every pair of a corpus, and record their direction.

    A line that the corpus refuses has an empty line, whatever the share of such lines, because nothing is trained here.
    The order of the languages in a link is that of the corpus's name (``otx.links.direction``). Safe to interrupt: the
    same call again resumes.

    Args:
        session: The settings, plugins and reporter.
        spec: The corpus, of one language pair.
        model: Reference of the encoder.
        method: Method that finds the links, with its options.
        outputs: The files to write. Line k of the links belongs to line k of the corpus's files.

    Raises:
        UsageError: If an output file exists and was not begun by the same call, or the corpus has several pairs.
        Interrupted: After a signal (exit 5), with every finished window kept.
    """
    settings, reporter = session.settings, session.reporter
    _check_names(outputs)
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
        max_length = min(encoder.max_length, settings.encoder.max_length)
        encoder.module.to(device)
        languages = corpus.source_language, corpus.pivot_language
        order = direction.ordered([spec, corpus.name], languages)
        layer, vector = settings.encoder.layer, settings.encoder.word_vector
        how = LinkReading(
            method=method,
            layer=layer,
            word_vector=vector,
            max_length=max_length,
            batch_tokens=settings.data.batch_tokens,
        )
        key = short_key(
            corpus.fingerprint(),
            order,
            encoder.digest(),
            asdict(method),
            [layer, vector, max_length],
        )
        done, line = _begun(outputs, key)
        if done:
            reporter.notice(f"resuming after {done:,} pairs")
        cut = 0
        for start in range(done, len(corpus), WINDOW):
            pairs = range(start, min(start + WINDOW, len(corpus)))
            lines, links, lost = linked(corpus, encoder, pairs, how)
            if order != languages:
                links = [_swapped(pair) for pair in links]
            cut += lost
            with signals.deferred():
                line = _append_window(outputs, lines, links, line)
                _save_state(outputs, key, line, pairs.stop)
            if signals.requested:
                raise KeyboardInterrupt
            reporter.progress("link", pairs.stop, len(corpus), {})
        if cut:
            reporter.notice(
                f"{cut:,} pairs were cut at {max_length} sub-words (encoder.max_length): "
                "the words beyond have no links"
            )
        total = _count_lines(corpus)
        with signals.deferred():
            for file in outputs.files:
                _append(file, [""] * (total - line))
            record = LinksRecord(
                direction=direction.name(order),
                index_base=0,
                corpus=corpus.name,
                corpus_digest=corpus.fingerprint(),
                lines=total,
            )
            write_record(outputs.links, record)
            outputs.state.unlink(missing_ok=True)
        return Linked(record.direction, total, count_lines(corpus))


def _count_lines(corpus: Corpus) -> int:
    """Return the number of lines of the corpus's files up to the last that is a pair or refused."""
    refused = [problem.line for problem in corpus.problems() if problem.kind not in REPAIRED]
    last = corpus[len(corpus) - 1].line if len(corpus) else 0
    return max([last, *refused])


def _swapped(pair: Found) -> Found:
    return Found(
        frozenset((j, i) for i, j in pair.links),
        {(j, i): sure for (i, j), sure in pair.strength.items()},
    )


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


def linked(
    corpus: Corpus, encoder: Encoder, pairs: Sequence[int], how: LinkReading
) -> tuple[list[int], list[Found], int]:
    """Extract the links of some pairs.

    Args:
        corpus: The corpus.
        encoder: The encoder, on its device.
        pairs: Indices of the pairs.
        how: Options for reading and linking word vectors.

    Returns:
        The pairs' lines in the corpus's files, the links of each pair, and how many pairs were cut.
    """
    texts = [corpus[index] for index in pairs]
    sides = [
        encoder.tokenise(
            [getattr(pair, side) for pair in texts],
            pretokenised=corpus.pretokenised,
            max_length=how.max_length,
        )
        for side in ("source", "pivot")
    ]
    links: list[Found] = [Found(frozenset(), {})] * len(texts)
    with reading(encoder):
        for batch in _batches(sides, how.batch_tokens):
            x, y = (
                encoder.encode(encoder.collate([rows[i] for i in batch]), (how.layer,))
                for rows in sides
            )
            (x_words, x_mask), (y_words, y_mask) = (
                side.words(how.layer, how.word_vector) for side in (x, y)
            )
            of_batch = find_links(x_words.float(), x_mask, y_words.float(), y_mask, how.method)
            for place, pair in zip(batch, of_batch, strict=True):
                links[place] = pair
    cut = sum(any(row.cut for row in rows) for rows in zip(*sides, strict=True))
    return [pair.line for pair in texts], links, cut


def _batches(sides: Sequence[Sequence[TokenRow]], tokens: int) -> Iterator[list[int]]:
    """Yield places in the window, grouped by length, of at most ``tokens`` padded sub-words of both sides."""
    lengths = np.array([[len(row.ids) for row in rows] for rows in sides])
    order = np.argsort(lengths.max(0), kind="stable")
    batch: list[int] = []
    widest = np.zeros(2, dtype=int)
    for place in order.tolist():
        wider = np.maximum(widest, lengths[:, place])
        if batch and wider.sum() * (len(batch) + 1) > tokens:
            yield batch
            batch, wider = [], lengths[:, place]
        batch.append(place)
        widest = wider
    if batch:
        yield batch


def _begun(outputs: Outputs, key: str) -> tuple[int, int]:
    """Return the pairs and lines that an interrupted call has written, and cut off what it wrote beyond them."""
    existing = [file for file in [*outputs.files, outputs.record] if file.exists()]
    if not outputs.state.exists():
        if existing:
            raise UsageError(f"{existing[0]} exists already", "remove it, or name another file")
        for file in outputs.files:
            file.parent.mkdir(parents=True, exist_ok=True)
        return 0, 0
    state = read_object(outputs.state)
    check_shape(
        state,
        {"key": str, "pairs": COUNT, "line": COUNT, "sizes": {str: COUNT}},
        str(outputs.state),
    )
    sizes = state["sizes"]
    if state["key"] != key or {*sizes} != {*map(str, outputs.files)}:
        raise UsageError(
            f"{outputs.links} was begun with another corpus, encoder or option",
            f"repeat the call that began it, or remove {outputs.links} and {outputs.state}",
        )
    for file in outputs.files:
        if not file.exists() or file.stat().st_size < sizes[str(file)]:
            raise DataError(f"{file} is shorter than otx left it", f"remove it and {outputs.state}")
        with file.open("r+b") as opened:
            opened.truncate(sizes[str(file)])
    return state["pairs"], state["line"]


def _append_window(
    outputs: Outputs, lines: Sequence[int], links: Sequence[Found], line: int
) -> int:
    """Append the links of a window after line ``line``, and return the last line written."""
    texts: list[list[str]] = [[] for _ in outputs.files]
    for number, pair in zip(lines, links, strict=True):
        if number <= line:
            raise DataError(
                f"the corpus's pairs are not in the order of its lines: {number} after {line}",
                "links are found by their line: give line-aligned files",
            )
        skipped = number - line - 1
        sure = " ".join(f"{pair.strength[link]:.4f}" for link in sorted(pair.links))
        for column, text in zip(
            texts, (format_pharaoh(GoldLinks(pair.links, pair.links)), sure), strict=False
        ):
            column += [""] * skipped + [text]
        line = number
    for file, column in zip(outputs.files, texts, strict=True):
        _append(file, column)
    return line


def _save_state(outputs: Outputs, key: str, line: int, pairs: int) -> None:
    """Record how many pairs and lines are done, and how long the files are then."""
    sizes = {str(file): file.stat().st_size for file in outputs.files}
    state = {"key": key, "pairs": pairs, "line": line, "sizes": sizes}
    atomic.write(outputs.state, json.dumps(state).encode())


def _append(file: Path, lines: Sequence[str]) -> None:
    opened: IO[str]
    with file.open("a", encoding="utf-8", newline="\n") as opened:
        opened.writelines(line + "\n" for line in lines)


def _check_names(outputs: Outputs) -> None:
    for file in outputs.files:
        if file.suffix == ".gz":
            raise UsageError(
                f"{file}: links are written as plain text, so that an interrupted call can resume",
                "leave out .gz, and compress the file afterwards",
            )
    for other, what in ((outputs.links, "links"), (outputs.record, "the record of the links")):
        if outputs.probabilities == other:
            raise UsageError(f"{other} cannot hold {what} and probabilities", "name two files")
