"""``.tmx``: Translation Memory eXchange 1.4, plain or ``.gz``, read as it streams by.

``--corpus memory.tmx`` opens every language that stands beside the pivot; ``memory.tmx#de`` or ``#de,es``
some of them. Regions are folded: en-US and en-GB are both en. Of the inline elements, what a ``hi`` holds is text;
``bpt``, ``ept``, ``it``, ``ph`` and ``ut`` hold native codes and are dropped, with what is nested in them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.parsers import expat

from otx.contracts import Corpus
from otx.data.bitext import VERSION, Bitext, store_pairs
from otx.data.cache import built, cache_folder
from otx.data.languages import language_of
from otx.data.lines import Fault, Line, check_text
from otx.errors import DataError, UsageError
from otx.files.digests import file_digest, short_key
from otx_corpora.options import FilesOptions

CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
CHUNK = 2**16
_LANGUAGES = "languages.json"

Unit = dict[str, str]
"""The first text of each language in one translation unit."""


def is_tmx(spec: str) -> bool:
    """Whether a spec names a translation memory."""
    return spec.partition("#")[0].removesuffix(".gz").endswith(".tmx")


def open_tmx(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """A corpus for every language beside the pivot, or for those after ``#``; unit n is line n.

    A unit without one of the two sides is a problem like an empty line. Raises DataError for a file that is not there
    or not well-formed, naming file and line, and for one that declares entities; UsageError where the pivot is not in
    it, or a language that was asked for.
    """
    name, _, asked = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise DataError(f"corpus file {name} does not exist")
    digest = file_digest(path)
    found = _languages(path, digest)
    if pivot not in found:
        raise UsageError(
            f"{name} has {', '.join(found) or 'no language'}, but the pivot is {pivot}",
            f"add --set align.pivot={found[0]}" if found else "is it a translation memory?",
        )
    there = [language for language in found if language != pivot]
    wanted = asked.split(",") if asked else there
    for language in wanted:
        if language not in there:
            raise UsageError(
                f"{name} has no {language} beside {pivot}",
                f"there is {', '.join(there) or 'nothing'}",
            )
    if not wanted:
        raise UsageError(f"{name} has nothing but {pivot}")
    return [_corpus(path, digest, language, pivot, options) for language in wanted]


def units(path: Path) -> Iterator[Unit]:
    """The translation units in their order, texts with single spaces. Raises DataError naming the line."""
    reader = _Reader(path)
    try:
        with _open(path) as stream:
            while chunk := stream.read(CHUNK):
                yield from reader.feed(chunk, last=False)
            yield from reader.feed(b"", last=True)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(
            f"{path}:{error.lineno}: not well-formed XML: {reason}", "xmllint shows what to mend"
        ) from error


def _languages(path: Path, digest: str) -> list[str]:
    """The languages of the file in the order of their first texts."""

    def build(folder: Path) -> None:
        found = dict.fromkeys(language for unit in units(path) for language in unit)
        (folder / _LANGUAGES).write_text(json.dumps(list(found)))

    folder = built(cache_folder() / "tmx" / short_key(VERSION, digest, "languages"), build)
    languages: list[str] = json.loads((folder / _LANGUAGES).read_text())
    return languages


def _corpus(path: Path, digest: str, source: str, pivot: str, options: FilesOptions) -> Bitext:
    languages, files = (source, pivot), (f"{path} {source}", f"{path} {pivot}")

    def side(unit: Unit, language: str) -> Line:
        if language not in unit:
            return Line("", (Fault("missing", f"the translation unit has no {language}"),))
        return check_text(unit[language], options.max_characters)

    def build(folder: Path) -> None:
        lines = ((side(unit, source), side(unit, pivot)) for unit in units(path))
        store_pairs(folder, lines, files)

    key = short_key(VERSION, digest, languages, options.max_characters)
    folder = built(cache_folder() / "tmx" / key, build)
    return Bitext(
        folder,
        name=f"{path}#{source}",
        languages=languages,
        files=files,
        pretokenised=options.pretokenised,
    )


class _Reader:
    """Hands out each unit when it has passed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: list[Unit] = []
        self.unit: Unit = {}
        self.language = ""
        self.text: list[str] | None = None
        self.codes = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._refuse_entity

    def feed(self, chunk: bytes, *, last: bool) -> list[Unit]:
        """The units that end in this part of the file."""
        self.done = []
        self.parser.Parse(chunk, last)
        return self.done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tu":
            self.unit = {}
        elif name == "tuv":
            code = attributes.get("xml:lang") or attributes.get("lang") or ""
            self.language = language_of(code)
        elif name == "seg":
            self.text, self.codes = [], 0
        elif name in CODES:
            self.codes += 1

    def _end(self, name: str) -> None:
        if name == "tu":
            self.done.append(self.unit)
        elif name == "seg" and self.text is not None:
            if self.language:
                self.unit.setdefault(self.language, " ".join("".join(self.text).split()))
            self.text = None
        elif name in CODES:
            self.codes -= 1

    def _characters(self, text: str) -> None:
        if self.text is not None and self.codes == 0:
            self.text.append(text)

    def _refuse_entity(self, name: str, *_: object) -> None:
        # A handful of entities that name one another can stand for gigabytes.
        raise DataError(
            f"{self.path}:{self.parser.CurrentLineNumber}: it declares the entity {name}",
            "take entity declarations out of the file's DOCTYPE",
        )


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
