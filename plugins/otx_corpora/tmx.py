"""``.tmx``: Translation Memory eXchange 1.4, plain or ``.gz``, read as it streams by.

``--corpus memory.tmx`` opens every language that stands beside the pivot; ``memory.tmx#de`` or ``#de,es``
some of them. Regions are folded: en-US and en-GB are both en. Of the inline elements, what a ``hi`` holds is text;
``bpt``, ``ept``, ``it``, ``ph`` and ``ut`` hold native codes and are dropped, with what is nested in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from otx.data.bitext import VERSION, Bitext, NumberedLines, store_pairs
from otx.data.cache import built, cache_folder
from otx.data.encodings import BAD
from otx.data.lines import Fault, Line, check_text
from otx.errors import DataError, UsageError
from otx.files.digests import file_digest, short_key
from otx.files.reading import read_json
from otx.interfaces import Corpus
from otx_corpora import FilesOptions
from otx_corpora.tmx_units import Unit, units

READER = 2
"""Changes whenever a memory would be read differently, so that what was cached before is read again."""
_LANGUAGES = "languages.json"


def is_tmx(spec: str) -> bool:
    """Whether a spec names a translation memory."""
    return spec.partition("#")[0].removesuffix(".gz").endswith(".tmx")


def open_tmx(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """Open a corpus for every language beside the pivot, or for those after ``#``.

    Unit n is line n; a unit without one of the two languages is no pair of them.

    Args:
        spec: ``FILE.tmx``, ``FILE.tmx#de`` or ``FILE.tmx#de,es``.
        options: Options of ``files``.
        pivot: The pivot language.

    Returns:
        One corpus a language, in the order in which the languages appear in the file.

    Raises:
        DataError: If the file is not there or cannot be read.
        UsageError: If no unit has the pivot, or none has it beside a language that was asked for.
    """
    name, _, asked = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise DataError(f"corpus file {name} does not exist")
    digest = file_digest(path)
    beside = _languages(path, digest)
    if pivot not in beside:
        raise UsageError(
            f"{name} has {', '.join(beside) or 'no language'}, but the pivot is {pivot}",
            f"add --set data.pivot={next(iter(beside))}"
            if beside
            else "is it a translation memory?",
        )
    available = [language for language in beside if language in beside[pivot]]
    languages = asked.split(",") if asked else available
    for language in languages:
        if language not in available:
            raise UsageError(
                f"{name} has no {language} beside {pivot}",
                f"there is {', '.join(available) or 'nothing'}",
            )
    if not languages:
        raise UsageError(f"{name} has no unit with {pivot} and another language")
    return [_corpus(path, digest, language, pivot, options) for language in languages]


def _languages(path: Path, digest: str) -> dict[str, list[str]]:
    """Each language of the file, in the order of their first texts, and those that it shares a unit with."""

    def build(folder: Path) -> None:
        beside: dict[str, set[str]] = {}
        for unit in units(path):
            for language in unit.texts:
                beside.setdefault(language, set()).update(unit.texts.keys() - {language})
        rows = [[language, sorted(others)] for language, others in beside.items()]
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
    """A unit's text, checked as a line is; its faults name the line of the file, as units are counted otherwise."""
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
