"""Word links to train with: from a Pharaoh file, a bilingual dictionary, or eflomal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otx.alignment.data import AlignmentData
from otx.config.settings import Settings
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
"""Changes whenever eflomal would be asked otherwise."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the links of the corpora that ``name`` fits (source language or corpus; "" for any) come from."""

    name: str
    kind: Literal["file", "dictionary", "eflomal"]
    path: Path = Path()


def given_links(settings: Settings, material: AlignmentData) -> list[Sequence[Links] | None]:
    """Word links by corpus and pair, as ``align.links`` says; without it, those that a corpus brings, or None.

    In the EncodedPair, the source language's word is first and the pivot's second; a file's record
    (``otx.links.sidecar``) or ``align.links_direction`` states its order. Raises UsageError where a corpus has no
    links, DataError for a file that does not fit.
    """
    if settings.align.links is None:
        return [corpus.links() for corpus in material.train]
    directions = settings.align.links_direction
    _refuse_foreign(directions, material.train)
    return [_read(source, corpus, directions) for corpus, source in _by_corpus(settings, material)]


def link_digests(settings: Settings, material: AlignmentData) -> dict[str, str]:
    """A digest of what each source's links are made from, for a resumed run to be compared by."""
    if settings.align.links is None:
        return {}
    digests = {}
    for corpus, source in _by_corpus(settings, material):
        path = eflomal_file(corpus) if source.kind == "eflomal" else source.path
        name = f"links {source.name or corpus.name}"
        digests[name] = file_digest(path)
        if source.kind == "file":
            swapped, base = _reading(source.path, corpus, settings.align.links_direction)
            # Nothing is added for links as otx has always read them, so that earlier runs stay comparable.
            if swapped or base:
                order = direction.name(_orders(corpus)[swapped])
                digests[f"{name} read as"] = f"{order} from {base or 0}"
    return digests


def sources(text: str) -> list[Source]:
    """The sources that ``align.links`` names."""
    return [_source(item.strip()) for item in text.split(",") if item.strip()]


def eflomal_file(corpus: Corpus) -> Path:
    """Links by eflomal, a line a pair; made once and kept, since no two calls give quite the same."""
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


def _by_corpus(settings: Settings, material: AlignmentData) -> list[tuple[Corpus, Source]]:
    given = {source.name: source for source in sources(settings.align.links or "")}
    alone = given.get("")
    found = []
    for corpus in material.train:
        own = given.get(corpus.name) or given.get(corpus.source_language)
        # Eflomal needs no file, so that it can be meant for all.
        if own is None and alone and (len(material.train) == 1 or alone.kind == "eflomal"):
            own = alone
        if own is None:
            raise UsageError(
                f"align.links names no file for {corpus.name} ({corpus.source_language})",
                "write xx:FILE,yy:FILE, one file a language pair",
            )
        found.append((corpus, own))
    return found


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
    """The words of every pair as vectors are made of them; none for text whose words are the tokenizer's sub-words."""

    def split(text: str) -> list[str]:
        if not corpus.pretokenised and not splits_everywhere(text):
            return []
        spans = split_words(text, pretokenised=corpus.pretokenised)
        return [text[start:end] for start, end in spans]

    return [(split(pair.source), split(pair.pivot)) for pair in each_pair(corpus)]


def _from_file(path: Path, corpus: Corpus, directions: Sequence[str]) -> list[Links]:
    """The file's links in the order of the corpus's pairs: its lines are those of the corpus's files."""
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
            "links need one line a pair of the files, in their order",
        )
    found = []
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
        found.append(links)
    return found


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
    """Whether the file has the pivot's words first, and what it counts from if its record states it."""
    record = read_record(path)
    swapped = _is_swapped(path, corpus, record, directions)
    return swapped, None if record is None else record.index_base


def _is_swapped(
    path: Path, corpus: Corpus, record: LinksRecord | None, directions: Sequence[str]
) -> bool:
    """Whether the file has the pivot's words first. Raises UsageError if nothing states it."""
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
            f"{path}: its links are of another corpus than {corpus.name}, or of that text read otherwise "
            f"(corpus_digest in {stated.name})",
            "write the links again with otx link; or, if the lines do match, remove corpus_digest",
        )
    return swapped
