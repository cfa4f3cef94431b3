"""Lines of a text file, checked one by one: what is refused, what is repaired, and why.

A line ends at a line feed and nowhere else, so no separator inside a sentence shifts the lines that
follow.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import regex

from otx.data.encodings import UTF8, Recoded, marked_encoding
from otx.files.reading import open_bytes

REPAIRED = frozenset({"bom", "crlf", "line-separator"})
"""Kinds of fault that are mended; a line with any other is refused."""

NOT_UTF8 = "invalid-utf8"
"""Kind of a line with bytes that the file's encoding does not allow."""

# JSON can write half of a surrogate pair.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_SEPARATOR = re.compile("[\u2028\u2029]")
_VISIBLE = regex.compile(r"[^\s\p{Cc}\p{Cf}]")


class Fault(NamedTuple):
    """What is wrong with a line: a kind that is counted, and the reason in words."""

    kind: str
    reason: str


class Line(NamedTuple):
    """A line's text in NFC, without its ending, and its faults; none if it is refused."""

    text: str
    faults: tuple[Fault, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether a fault could not be mended."""
        return any(fault.kind not in REPAIRED for fault in self.faults)


def read_lines(path: Path, max_characters: int, encoding: str = UTF8) -> Iterator[Line]:
    """Read the lines of a text file, plain or ``.gz``, each checked, one in memory at a time.

    Args:
        path: The file.
        max_characters: Longer lines are refused.
        encoding: The file's encoding, unless a byte-order mark says which it is.

    Yields:
        Every line. CR before LF is dropped, and said at the first such line of the file only.

    Raises:
        DataError: If the file cannot be read or unpacked.
    """
    for line in decoded_lines(path, max_characters, encoding):
        if line.refused:
            yield line
        else:
            checked = check_text(line.text, max_characters)
            yield Line(checked.text, (*line.faults, *checked.faults))


def decoded_lines(path: Path, max_characters: int, encoding: str = UTF8) -> Iterator[Line]:
    """Read the lines of a text file as ``read_lines`` does, their text not checked."""
    limit = 4 * max_characters + 8
    with_crlf = False
    with open_bytes(path) as file:
        marked = marked_encoding(file.peek(4))
        first: list[Fault] = []
        if marked is not None:
            encoding = marked[0]
            file.read(marked[1])
            first = [Fault("bom", f"byte-order mark of {encoding} dropped")]
        stream: IO[bytes] = file
        if encoding != UTF8:
            stream = io.BufferedReader(Recoded(file, encoding))
        while raw := stream.readline(limit):
            repairs, first = first, []
            if len(raw) == limit and not raw.endswith(b"\n"):
                size = limit + _skip_line(stream, limit)
                yield Line("", (Fault("overlong", f"{size:,} bytes in one line"),))
                continue
            raw = raw.removesuffix(b"\n")
            if raw.endswith(b"\r"):
                raw = raw[:-1]
                if not with_crlf:
                    repairs.append(Fault("crlf", "CR dropped here and in all later lines"))
                with_crlf = True
            line = _decode(raw, encoding)
            yield Line(line.text, (*repairs, *line.faults))


def check_text(text: str, max_characters: int) -> Line:
    """One sentence, checked as a line is."""
    if not text:
        return Line("", (Fault("empty", "nothing in the line"),))
    if len(text) > max_characters:
        reason = f"{len(text):,} characters, at most {max_characters:,} are allowed"
        return Line("", (Fault("overlong", reason),))
    control = _CONTROL.search(text)
    if control is not None:
        code = ord(control.group())
        what = "lone surrogate" if code >= 0xD800 else "control character"
        reason = f"{what} U+{code:04X} at character {control.start() + 1}"
        return Line("", (Fault("control" if code else "nul", reason),))
    faults: tuple[Fault, ...] = ()
    if _SEPARATOR.search(text):
        text = _SEPARATOR.sub(" ", text)
        faults = (Fault("line-separator", "U+2028 or U+2029 replaced by a space"),)
    if not _VISIBLE.search(text):
        return Line("", (Fault("whitespace", "nothing but white space"),))
    return Line(unicodedata.normalize("NFC", text), faults)


def _decode(raw: bytes, encoding: str) -> Line:
    """The text of a line, given in UTF-8; what was not valid in the file's encoding is not valid here."""
    try:
        return Line(raw.decode(UTF8))
    except UnicodeDecodeError as error:
        place = f": byte 0x{raw[error.start]:02x} at byte {error.start + 1}"
        reason = f"not {encoding.upper()}{place if encoding == UTF8 else ''}"
        return Line("", (Fault(NOT_UTF8, reason),))


def _skip_line(stream: IO[bytes], limit: int) -> int:
    """Read on to the end of the line; how many bytes that was."""
    size = 0
    while raw := stream.readline(limit):
        size += len(raw.removesuffix(b"\n"))
        if raw.endswith(b"\n"):
            break
    return size
