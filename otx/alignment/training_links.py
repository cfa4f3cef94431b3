"""Word links to train with, from a Pharaoh file, a bilingual dictionary, or eflomal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otx.alignment.data import AlignmentData
from otx.config.schema import AlignSettings
from otx.data.cache import built, cache_folder
from otx.data.subset import Subset, each_pair
from otx.data.words import split_words, splits_everywhere
from otx.errors import DataError, UsageError
from otx.files.digests import file_digest, short_key
from otx.interfaces import Corpus
from otx.links import direction
from otx.links.dictionary import dictionary_links, read_dictionary
from otx.links.eflomal import align_words
from otx.links.pharaoh import read_links, refuse_unknown_base
from otx.links.sidecar import LinksRecord, read_record, record_path
from otx.printable import quote
from otx.types import Links

EFLOMAL_VERSION = 1
"""Raised whenever eflomal would be called in another way; part of the cache key."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source of word links for some corpora.

    Attributes:
        name: Source language or name of the corpora; empty for any.
        kind: Kind of the source.
        path: The file of a Pharaoh file or dictionary.
    """

    name: str
    kind: Literal["file", "dictionary", "eflomal"]
    path: Path = Path()


def given_links(align: AlignSettings, data: AlignmentData) -> list[Sequence[Links] | None]:
    """Return the word links that an alignment trains with.

    In an ``EncodedPair``, the word of the source language comes first. The order in a file is stated by its record
    (``otx.links.sidecar``) or by ``align.links_direction``.

    Args:
        align: Names the sources of the links.
        data: The training pairs.

    Returns:
        For each corpus the links of every pair; without ``align.links``, those that the corpus brings, or None.

    Raises:
        UsageError: If there is no source for a corpus, or nothing states the direction of a file.
        DataError: If a file does not fit its corpus.
    """
    if align.links is None:
        return [corpus.links() for corpus in data.train]
    directions = align.links_direction
    _refuse_foreign(directions, data.train)
    return [_read(source, corpus, directions) for corpus, source in _by_corpus(align.links, data)]


def link_digests(align: AlignSettings, data: AlignmentData) -> dict[str, str]:
    """Return a digest of the content behind each source of links, by which a resumed run is compared.

    Args:
        align: Names the sources of the links.
        data: The training pairs.
    """
    if align.links is None:
        return {}
    digests = {}
    for corpus, source in _by_corpus(align.links, data):
        path = eflomal_file(corpus) if source.kind == "eflomal" else source.path
        name = f"links {source.name or corpus.name}"
        digests[name] = file_digest(path)
        if source.kind == "file":
            swapped, base = _reading(source.path, corpus, align.links_direction)
            # Nothing is added for links as otx has always read them, so that earlier runs stay comparable.
            if swapped or base:
                order = direction.name(_orders(corpus)[swapped])
                digests[f"{name} read as"] = f"{order} from {base or 0}"
    return digests


def sources(text: str) -> list[Source]:
    """Return the sources that ``align.links`` names.

    Args:
        text: The setting.

    Example:
        >>> [(source.name, source.kind) for source in sources("de:a.links,eflomal")]
        [('de', 'file'), ('', 'eflomal')]
    """
    return [_source(item.strip()) for item in text.split(",") if item.strip()]


def eflomal_file(corpus: Corpus) -> Path:
    """Return the file of eflomal's links, one line a pair.

    It is made once and kept in the cache, because no two calls of eflomal give exactly the same links.

    Args:
        corpus: The corpus.
    """
    key = short_key("eflomal", EFLOMAL_VERSION, corpus.fingerprint())

    def build(folder: Path) -> None:
        align_words(((s or ["-"], p or ["-"]) for s, p in _words(corpus)), folder)

    return built(cache_folder() / "eflomal" / key, build) / "links"


def _source(text: str) -> Source:
    first, _, rest = text.partition(":")
    name, rest = ("", text) if first in ("dictionary", "eflomal") else (first, rest)
    if rest == "eflomal":
        return Source(name, "eflomal")
    if rest.startswith("dictionary:"):
        return Source(name, "dictionary", Path(rest.removeprefix("dictionary:")))
    name, _, path = text.rpartition(":")
    return Source(name, "file", Path(path))


def _by_corpus(text: str, data: AlignmentData) -> list[tuple[Corpus, Source]]:
    """Return every training corpus with its source of links."""
    given = {source.name: source for source in sources(text)}
    default = given.get("")
    pairs = []
    for corpus in data.train:
        source = given.get(corpus.name) or given.get(corpus.source_language)
        # Eflomal needs no file, so it can be meant for all corpora.
        if source is None and default and (len(data.train) == 1 or default.kind == "eflomal"):
            source = default
        if source is None:
            raise UsageError(
                f"align.links names no file for {corpus.name} ({corpus.source_language})",
                "write xx:FILE,yy:FILE, one file per language pair",
            )
        pairs.append((corpus, source))
    return pairs


def _read(source: Source, corpus: Corpus, directions: Sequence[str]) -> Sequence[Links]:
    readers: dict[str, Callable[[], Sequence[Links]]] = {
        "file": lambda: _from_file(source.path, corpus, directions),
        "dictionary": lambda: _from_dictionary(source.path, corpus),
        "eflomal": lambda: _from_eflomal(corpus),
    }
    return readers[source.kind]()


def _from_dictionary(path: Path, corpus: Corpus) -> list[Links]:
    dictionary = read_dictionary(path)
    return [dictionary_links(source, pivot, dictionary) for source, pivot in _words(corpus)]


def _from_eflomal(corpus: Corpus) -> list[Links]:
    pairs = zip(read_links(eflomal_file(corpus)), _words(corpus), strict=True)
    return [links if source and pivot else frozenset() for links, (source, pivot) in pairs]


def _words(corpus: Corpus) -> list[tuple[list[str], list[str]]]:
    """Return the words of every pair that have a vector each; none for text whose words are its sub-words."""

    def split(text: str) -> list[str]:
        if not corpus.pretokenised and not splits_everywhere(text):
            return []
        spans = split_words(text, pretokenised=corpus.pretokenised)
        return [text[start:end] for start, end in spans]

    return [(split(pair.source), split(pair.pivot)) for pair in each_pair(corpus)]


def _from_file(path: Path, corpus: Corpus, directions: Sequence[str]) -> list[Links]:
    """Return a file's links in the order of the corpus's pairs; its lines are those of the corpus's files."""
    if not corpus.pretokenised:
        raise UsageError(
            f"corpus {corpus.name}: word links count the words of pre-tokenised text",
            "add --set files.pretokenised=true",
        )
    swapped, base = _reading(path, corpus, directions)
    by_line = read_links(path, index_base=base or 0)
    if base is None:
        refuse_unknown_base(
            path,
            by_line,
            f'state it in {record_path(path).name} beside it: {{"direction": "en-es", "index_base": 1}}',
        )
    lines = [pair.line for pair in each_pair(corpus)]
    if max(lines) > len(by_line):
        raise DataError(
            f"{path} has {len(by_line):,} lines, and corpus {corpus.name} a pair in line {max(lines):,}",
            "give one line of links per line of the corpus's files, in their order",
        )
    ordered = []
    for pair in each_pair(corpus):
        links = by_line[pair.line - 1]
        if swapped:
            links = frozenset((j, i) for i, j in links)
        sizes = len(pair.source.split()), len(pair.pivot.split())
        for i, j in links:
            if i >= sizes[0] or j >= sizes[1]:
                raise DataError(
                    f"{path}:{pair.line}: the link of {corpus.source_language} word {i} and {corpus.pivot_language} "
                    f"word {j} is outside its pair of {sizes[0]} and {sizes[1]} words (counted from 0)",
                    "check the direction of the links, and that the file belongs to this corpus",
                )
        ordered.append(links)
    return ordered


def _refuse_foreign(directions: Sequence[str], corpora: Sequence[Corpus]) -> None:
    """Raise UsageError for a direction that is not of any corpus's languages."""
    known = {direction.name(order) for corpus in corpora for order in _orders(corpus)}
    for text in directions:
        if text not in known:
            raise UsageError(
                f"align.links_direction: {quote(text)} is not a direction of the corpora",
                f"write {' or '.join(sorted(known))}",
            )


def _orders(corpus: Corpus) -> tuple[tuple[str, str], tuple[str, str]]:
    source, pivot = corpus.source_language, corpus.pivot_language
    return (source, pivot), (pivot, source)


def _reading(path: Path, corpus: Corpus, directions: Sequence[str]) -> tuple[bool, int | None]:
    """Return True if the file has the pivot's words first, and the first word index if its record states it."""
    record = read_record(path)
    swapped = _is_swapped(path, corpus, record, directions)
    return swapped, None if record is None else record.index_base


def _is_swapped(
    path: Path, corpus: Corpus, record: LinksRecord | None, directions: Sequence[str]
) -> bool:
    """Return True if the file has the pivot's words first. Raises UsageError if nothing states it."""
    languages, reverse = _orders(corpus)
    named = direction.name(languages), direction.name(reverse)
    given = [text for text in directions if text in named]
    if len({*given}) > 1:
        raise UsageError(f"align.links_direction has {' and '.join(named)}", "give one of them")
    if record is None:
        if not given:
            raise UsageError(
                f"{path}: nothing states the direction of the links of corpus {corpus.name}",
                f"add --links-direction {named[0]} (or {named[1]}), or write {record_path(path).name} beside it: "
                f'{{"direction": "{named[0]}", "index_base": 0}}',
            )
        return direction.is_swapped(given[0], languages, "align.links_direction")
    stated = record_path(path)
    swapped = direction.is_swapped(record.direction, languages, str(stated))
    if given and given[0] != record.direction:
        raise UsageError(
            f"{stated} says {record.direction}, and align.links_direction {given[0]}",
            "leave out --links-direction, or correct the file",
        )
    whole = corpus.corpus if isinstance(corpus, Subset) else corpus
    if record.corpus_digest not in (None, whole.fingerprint()):
        raise DataError(
            f"{path}: its links are of another corpus than {corpus.name}, or of its text under other options "
            f"(corpus_digest in {stated.name})",
            "write the links again with otx link; if the lines do match, remove corpus_digest",
        )
    return swapped
