"""`otx link`: corpus -> windows of pairs -> encoder -> links -> a Pharaoh file, line by line and resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from otx.config.settings import Settings
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
from otx.plugin_host.host import PluginHost
from otx.reporter import Reporter
from otx.training.factories import open_encoder
from otx.training.runtime import StopSignals, open_device
from otx.types import TokenRow

WINDOW = 512
"""Pairs that are sorted by length, and after which what was written is kept."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where links go, one line a line of the corpus's files, and with ``probabilities`` how sure each is."""

    links: Path
    probabilities: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are written."""
        return [self.links, *([] if self.probabilities is None else [self.probabilities])]

    @property
    def record(self) -> Path:
        """What states the direction of the links."""
        return record_path(self.links)

    @property
    def state(self) -> Path:
        """What was done so far; gone when all is."""
        return self.links.with_name(f".{self.links.name}.state")


@dataclass(frozen=True, slots=True)
class Linked:
    """What was written: ``lines`` lines of links in one direction (``en-es``), empty where a line was refused."""

    direction: str
    lines: int
    ledger: Ledger


def link(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    spec: str,
    model: str,
    way: MethodSettings,
    outputs: Outputs,
) -> Linked:
    """Write one line of links for each line of the corpus, and the record that states their direction.

    A line that the corpus refuses gets an empty line, whatever the share of such lines: nothing is trained here. The
    links are in the order of the corpus's name (``otx.links.direction``). Safe to interrupt: the same call resumes.

    Args:
        settings: The encoder's, and how the corpus is read.
        host: The plugins.
        reporter: Receives progress and notices.
        spec: The corpus, one language pair.
        model: The encoder.
        way: How links are extracted.
        outputs: The files.

    Returns:
        What was written.

    Raises:
        UsageError: If an output file exists and was not begun by this call.
        Interrupted: After a signal (exit 5), with every whole window kept.
    """
    _check_names(outputs)
    device = open_device(settings.runtime.device)
    with StopSignals("run the same command again: it goes on where it was") as signals:
        reporter.stage("reading the corpus")
        corpus = one_corpus(spec, host, settings)
        if not corpus.pretokenised:
            reporter.notice(
                f"{corpus.name} is not pre-tokenised: links count otx's own words, "
                "not what stands between spaces"
            )
        reporter.stage(f"loading the encoder {model}")
        encoder = open_encoder(model, host.registry, settings)
        max_length = min(encoder.max_length, settings.encoder.max_length)
        encoder.module.to(device)
        languages = corpus.source_language, corpus.pivot_language
        order = direction.ordered([spec, corpus.name], languages)
        key = short_key(
            corpus.fingerprint(),
            order,
            encoder.digest(),
            asdict(way),
            [settings.encoder.layer, settings.encoder.word_vector, max_length],
        )
        done, line = _begun(outputs, key)
        if done:
            reporter.notice(f"going on after {done:,} pairs")
        cut = 0
        for start in range(done, len(corpus), WINDOW):
            pairs = range(start, min(start + WINDOW, len(corpus)))
            lines, found, lost = linked(corpus, encoder, pairs, way, settings, max_length)
            if order != languages:
                found = [_swapped(own) for own in found]
            cut += lost
            with signals.deferred():
                line = _write(outputs, key, lines, found, line, pairs.stop)
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
            record = LinksRecord(direction.name(order), 0, corpus.name, corpus.fingerprint(), total)
            write_record(outputs.links, record)
            outputs.state.unlink(missing_ok=True)
        return Linked(record.direction, total, count_lines(corpus))


def _count_lines(corpus: Corpus) -> int:
    """Lines of the corpus's files up to the last that is a pair or refused."""
    refused = [problem.line for problem in corpus.problems() if problem.kind not in REPAIRED]
    last = corpus[len(corpus) - 1].line if len(corpus) else 0
    return max([last, *refused])


def _swapped(found: Found) -> Found:
    return Found(
        frozenset((j, i) for i, j in found.links),
        {(j, i): sure for (i, j), sure in found.strength.items()},
    )


def one_corpus(spec: str, host: PluginHost, settings: Settings) -> Corpus:
    """The one language pair of a spec, whatever share of its lines is refused.

    Raises UsageError where it has several.
    """
    corpora = open_corpora([spec], host.registry, settings, any_share=True)
    if len(corpora) > 1:
        names = ", ".join(corpus.name for corpus in corpora)
        raise UsageError(f"'{spec}' has several language pairs: {names}", "name one of them")
    return corpora[0]


def linked(
    corpus: Corpus,
    encoder: Encoder,
    pairs: Sequence[int],
    way: MethodSettings,
    settings: Settings,
    max_length: int,
) -> tuple[list[int], list[Found], int]:
    """The lines of ``pairs`` in the corpus's files, the links of each, and how many lost words to the limit."""
    texts = [corpus[index] for index in pairs]
    sides = [
        encoder.tokenise(
            [getattr(pair, side) for pair in texts],
            pretokenised=corpus.pretokenised,
            max_length=max_length,
        )
        for side in ("source", "pivot")
    ]
    found: list[Found] = [Found(frozenset(), {})] * len(texts)
    layer, vector = settings.encoder.layer, settings.encoder.word_vector
    with reading(encoder):
        for batch in _batches(sides, settings.data.batch_tokens):
            x, y = (
                encoder.encode(encoder.collate([rows[i] for i in batch]), (layer,))
                for rows in sides
            )
            (x_words, x_mask), (y_words, y_mask) = (e.words(layer, vector) for e in (x, y))
            own_links = find_links(x_words.float(), x_mask, y_words.float(), y_mask, way)
            for place, own in zip(batch, own_links, strict=True):
                found[place] = own
    cut = sum(any(row.cut for row in rows) for rows in zip(*sides, strict=True))
    return [pair.line for pair in texts], found, cut


def _batches(sides: Sequence[Sequence[TokenRow]], tokens: int) -> Iterator[list[int]]:
    """Places in the window, of similar length together, at most ``tokens`` sub-words of both sides with padding."""
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
    """Pairs and lines that an interrupted call has written; what it wrote beyond them is cut off."""
    there = [file for file in [*outputs.files, outputs.record] if file.exists()]
    if not outputs.state.exists():
        if there:
            raise UsageError(f"{there[0]} is there already", "remove it, or write to another file")
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
            f"call it as then, or remove {outputs.links} and {outputs.state}",
        )
    for file in outputs.files:
        if not file.exists() or file.stat().st_size < sizes[str(file)]:
            raise DataError(f"{file} is shorter than it was", f"remove it and {outputs.state}")
        with file.open("r+b") as opened:
            opened.truncate(sizes[str(file)])
    return state["pairs"], state["line"]


def _write(
    outputs: Outputs, key: str, lines: Sequence[int], found: Sequence[Found], line: int, done: int
) -> int:
    """Append a window and note that it is there. Returns the last line written."""
    texts: list[list[str]] = [[] for _ in outputs.files]
    for number, own in zip(lines, found, strict=True):
        if number <= line:
            raise DataError(
                f"the corpus's pairs are not in the order of its lines: {number} after {line}",
                "links are found by their line: give line-aligned files",
            )
        skipped = number - line - 1
        sure = " ".join(f"{own.strength[pair]:.4f}" for pair in sorted(own.links))
        for column, text in zip(
            texts, (format_pharaoh(GoldLinks(own.links, own.links)), sure), strict=False
        ):
            column += [""] * skipped + [text]
        line = number
    for file, column in zip(outputs.files, texts, strict=True):
        _append(file, column)
    sizes = {str(file): file.stat().st_size for file in outputs.files}
    state = {"key": key, "pairs": done, "line": line, "sizes": sizes}
    atomic.write(outputs.state, json.dumps(state).encode())
    return line


def _append(file: Path, lines: Sequence[str]) -> None:
    opened: IO[str]
    with file.open("a", encoding="utf-8", newline="\n") as opened:
        opened.writelines(line + "\n" for line in lines)


def _check_names(outputs: Outputs) -> None:
    for file in outputs.files:
        if file.suffix == ".gz":
            raise UsageError(
                f"{file}: links are written as plain text, so that an interrupted call can go on",
                "leave out .gz and compress the file afterwards",
            )
    for other, what in ((outputs.links, "links"), (outputs.record, "the record of the links")):
        if outputs.probabilities == other:
            raise UsageError(f"{other} cannot hold {what} and probabilities", "name two files")
