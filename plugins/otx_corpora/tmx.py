"""Translation memories: ``.tmx`` files (Translation Memory eXchange 1.4), plain or ``.gz``, read as a stream.

``--corpus memory.tmx`` opens every language that shares a unit with the pivot; ``memory.tmx#de`` or ``#de,es`` opens
some of them. Regions are ignored: en-US and en-GB are both en. Of the inline elements, the content of ``hi`` is text;
``bpt``, ``ept``, ``it``, ``ph`` and ``ut`` contain native codes and are dropped with everything nested in them.

References:
    TMX 1.4b Specification. https://www.gala-global.org/tmx-14b
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from otx.data.bitext import VERSION, Bitext, NumberedLines, store_pairs
from otx.data.cache import built, cache_folder, content_digest
from otx.data.encodings import BAD
from otx.data.lines import Fault, Line, check_text
from otx.errors import DataError, UsageError
from otx.files.digests import short_key
from otx.files.reading import read_json
from otx.interfaces import Corpus
from otx_corpora.options import FilesOptions
from otx_corpora.tmx_units import Unit, units

READER = 2
"""Raised whenever a memory would be read differently, so that cached memories are read again."""
_LANGUAGES = "languages.json"


def is_tmx(spec: str) -> bool:
    """Return whether a spec names a translation memory.

    Args:
        spec: What ``--corpus`` takes.

    Example:
        >>> is_tmx("memory.tmx.gz#de"), is_tmx("path/en-de")
        (True, False)
    """
    return spec.partition("#")[0].removesuffix(".gz").endswith(".tmx")


def open_tmx(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """Open the corpora of a translation memory.

    There is one per language that shares a unit with the pivot, or per language after ``#``. A pair's line is
    the number of its unit. Units that lack one of the two languages are left out.

    Args:
        spec: ``FILE.tmx``, ``FILE.tmx#de`` or ``FILE.tmx#de,es``.
        options: Options of ``files``.
        pivot: The pivot language.

    Returns:
        One corpus per language, in the order in which the languages appear in the file.

    Raises:
        DataError: If the file does not exist or cannot be read.
        UsageError: If no unit has the pivot, or none has both the pivot and a language of ``spec``.
    """
    name, _, asked = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise DataError(f"corpus file {name} does not exist", "check the path after --corpus")
    digest = content_digest(path)
    shared = _shared_languages(path, digest)
    if pivot not in shared:
        raise UsageError(
            f"{name} has {', '.join(shared) or 'no language'}, but the pivot is {pivot}",
            f"add --set data.pivot={next(iter(shared))}"
            if shared
            else "check that it is a translation memory",
        )
    available = [language for language in shared if language in shared[pivot]]
    languages = asked.split(",") if asked else available
    for language in languages:
        if language not in available:
            raise UsageError(
                f"{name} has no {language} besides {pivot}",
                f"it has {', '.join(available) or 'no other language'}",
            )
    if not languages:
        raise UsageError(
            f"{name} has no unit with {pivot} and another language", "give another corpus"
        )
    return [_corpus(path, digest, language, pivot, options) for language in languages]


def _shared_languages(path: Path, digest: str) -> dict[str, list[str]]:
    """Return each language of the file, in the order of first texts, with the languages that share a unit with it."""

    def build(folder: Path) -> None:
        shared: dict[str, set[str]] = {}
        for unit in units(path):
            for language in unit.texts:
                shared.setdefault(language, set()).update(unit.texts.keys() - {language})
        rows = [[language, sorted(others)] for language, others in shared.items()]
        (folder / _LANGUAGES).write_text(json.dumps(rows))

    key = short_key(VERSION, READER, digest, "languages")
    folder = built(cache_folder() / "tmx" / key, build)
    return dict(read_json(folder / _LANGUAGES))


def _corpus(path: Path, digest: str, source: str, pivot: str, options: FilesOptions) -> Bitext:
    languages, files = (source, pivot), (f"{path} {source}", f"{path} {pivot}")

    def lines() -> Iterator[NumberedLines]:
        for number, unit in enumerate(units(path), start=1):
            if source in unit.texts and pivot in unit.texts:
                first, second = (_checked(unit, language, options) for language in languages)
                yield number, first, second

    key = short_key(VERSION, READER, digest, languages, options.max_characters)
    folder = built(cache_folder() / "tmx" / key, lambda folder: store_pairs(folder, lines()))
    return Bitext(
        folder,
        name=f"{path}#{source}",
        languages=languages,
        files=files,
        pretokenised=options.pretokenised,
    )


def _checked(unit: Unit, language: str, options: FilesOptions) -> Line:
    """Check a unit's text as a line; its faults name the line of the file, because units are counted otherwise."""
    text, place = unit.texts[language], f" (line {unit.lines[language]:,} of the file)"
    if BAD in text:
        reason = (
            f"a byte that the file's encoding does not allow, at character {text.index(BAD) + 1}"
        )
        return Line("", (Fault("encoding", reason + place),))
    if "\uffff" in text:
        reason = f"a noncharacter of Unicode at character {text.index(chr(0xFFFF)) + 1}"
        return Line("", (Fault("control", reason + place),))
    line = check_text(text, options.max_characters)
    return Line(line.text, tuple(Fault(kind, reason + place) for kind, reason in line.faults))
