"""Stream the translation units of a ``.tmx`` file.

One damaged character costs one unit, not the file. XML does not allow control characters, written out or as a reference
such as ``&#11;``, nor bytes outside the encoding. The reader replaces them by noncharacters before parsing and restores
them in the unit's text, where the usual check of lines finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers import expat

from otx.data.encodings import BAD, UTF8, known_encoding, marked_encoding, new_decoder
from otx.data.languages import language_of
from otx.errors import DataError
from otx.files.reading import open_bytes

CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
CHUNK = 2**16
MAX_TOKEN = 2**24
"""Longest tag, comment or segment: 16 Mi characters. The longest useful segment has 10,000."""

_START = 2**10
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
_WIDE = {b"<\0?\0": "utf-16-le", b"\0<\0?": "utf-16-be"}

# U+FDD0 to U+FDEF are 32 noncharacters that XML allows: one for each control character.
_NONCHARACTERS = 0xFDD0
_BAD_BYTE, _NO_CHARACTER = "\U0001fffe", "\U0001ffff"
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff]"
)
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]{1,16})|([0-9]{1,16}));")
_LONGEST_REFERENCE = len("&#x;") + 16
_ORIGINAL = {_NONCHARACTERS + code: code for code in range(0x20)} | {
    ord(_BAD_BYTE): BAD,
    ord(_NO_CHARACTER): "\uffff",
}


@dataclass(slots=True)
class Unit:
    """One translation unit.

    Attributes:
        texts: Language to its first text, with single spaces.
        lines: Language to the line of the file where that text begins.
    """

    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def units(path: Path) -> Iterator[Unit]:
    """Read translation units in order.

    Args:
        path: The file, plain or ``.gz``.

    Yields:
        Every unit.

    Raises:
        DataError: If the file cannot be read, is not well-formed, declares entities, has an unknown encoding, or has a
            tag, comment or segment of more than ``MAX_TOKEN`` characters. The message names file and line.
    """
    reader = _Reader(path)
    try:
        with open_bytes(path) as stream:
            yield from _read(stream, reader)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(
            f"{path}:{error.lineno}: not well-formed XML: {reason}",
            f"xmllint --recover {path} writes what can be read of it",
        ) from error


def _read(stream: IO[bytes], reader: _Reader) -> Iterator[Unit]:
    start = stream.read(_START)
    encoding, mark = _encoding(start, reader.path)
    decoder = new_decoder(encoding)
    piece, held = start[mark:], ""
    while piece:
        text = held + decoder.decode(piece)
        # A reference may continue in the next piece.
        ampersand = text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
        cut = len(text) if ampersand < 0 or ";" in text[ampersand:] else ampersand
        text, held = text[:cut], text[cut:]
        yield from reader.feed(text)
        # Expat begins an unfinished token anew with each piece: with pieces that double the work stays linear.
        piece = stream.read(max(CHUNK, reader.pending))
    yield from reader.feed(held + decoder.decode(b"", True), last=True)


def _encoding(start: bytes, path: Path) -> tuple[str, int]:
    """Return the encoding of a file that begins with ``start``, and the length of its byte-order mark."""
    marked = marked_encoding(start)
    if marked is not None:
        return marked
    if start[:4] in _WIDE:
        return _WIDE[start[:4]], 0
    declared = _DECLARED.match(start)
    if declared is None:
        return UTF8, 0
    encoding = known_encoding(declared[1].decode("ascii", "replace"), str(path))
    if encoding.startswith(("utf-16", "utf-32")):
        raise DataError(
            f"{path}: declares the encoding {encoding}, but is not written in it",
            "correct the encoding in its first line",
        )
    return encoding, 0


class _Reader:
    """Parse a file piece by piece, and return each unit when it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: list[Unit] = []
        self.unit = Unit()
        self.language = ""
        self.text: list[str] | None = None
        self.size = self.codes = self.fed = 0
        # The pieces are UTF-8, whatever the file declares.
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._refuse_entity

    @property
    def pending(self) -> int:
        """Bytes of an unfinished token that the parser holds."""
        return self.fed - max(0, self.parser.CurrentByteIndex)

    def feed(self, text: str, *, last: bool = False) -> list[Unit]:
        """Parse this part of the file and return the units that end in it."""
        self.done = []
        text = _REFERENCE.sub(_allowed_reference, _FORBIDDEN.sub(_allowed, text))
        raw = text.encode()
        self.fed += len(raw)
        self.parser.Parse(raw, last)
        if self.pending > MAX_TOKEN:
            raise self._too_long("a tag, comment or declaration")
        return self.done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tu":
            self.unit = Unit()
        elif name == "tuv":
            code = attributes.get("xml:lang") or attributes.get("lang") or ""
            self.language = language_of(code)
        elif name == "seg":
            self.text, self.codes, self.size = [], 0, 0
            self.unit.lines.setdefault(self.language, self.parser.CurrentLineNumber)
        elif name in CODES:
            self.codes += 1

    def _end(self, name: str) -> None:
        if name == "tu":
            self.done.append(self.unit)
        elif name == "seg" and self.text is not None:
            if self.language:
                spaced = " ".join("".join(self.text).split())
                self.unit.texts.setdefault(self.language, spaced.translate(_ORIGINAL))
            self.text = None
        elif name in CODES:
            self.codes -= 1

    def _characters(self, text: str) -> None:
        if self.text is not None and self.codes == 0:
            self.text.append(text)
            self.size += len(text)
            if self.size > MAX_TOKEN:
                raise self._too_long("a segment")

    def _refuse_entity(self, name: str, *_: object) -> None:
        # A few entities that refer to one another can expand to gigabytes.
        raise DataError(
            f"{self.path}:{self.parser.CurrentLineNumber}: declares the entity {name}",
            "remove entity declarations from the file's DOCTYPE",
        )

    def _too_long(self, part: str) -> DataError:
        return DataError(
            f"{self.path}:{self.parser.CurrentLineNumber}: {part} of more than {MAX_TOKEN / 2**20:.0f} MiB",
            "remove it",
        )


def _allowed(match: re.Match[str]) -> str:
    character = match.group()
    if character < " ":
        return chr(_NONCHARACTERS + ord(character))
    return _BAD_BYTE if "\ud800" <= character <= "\udfff" else _NO_CHARACTER


def _allowed_reference(match: re.Match[str]) -> str:
    code = int(match[1], 16) if match[1] else int(match[2])
    if code in (0x9, 0xA, 0xD):
        return match.group()
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return _NO_CHARACTER
    changed = _FORBIDDEN.sub(_allowed, chr(code))
    return match.group() if changed == chr(code) else changed
