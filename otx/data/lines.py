"""Read text files line by line: check each line, repair or refuse it, and give the reason.

A line ends only at a line feed, so that no other separator inside a sentence shifts the following lines.
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
"""Kinds of fault that are repaired; a line with any other fault is refused."""

NOT_UTF8 = "invalid-utf8"
"""Kind of a line with bytes that the file's encoding does not allow."""

# JSON can write half of a surrogate pair.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_SEPARATOR = re.compile("[\u2028\u2029]")
_VISIBLE = regex.compile(r"[^\s\p{Cc}\p{Cf}]")


class Fault(NamedTuple):
    """A fault of a line.

    Attributes:
        kind: The kind, by which faults are counted.
        reason: The reason in words.
    """

    kind: str
    reason: str


class Line(NamedTuple):
    """A checked line.

    Attributes:
        text: The text in NFC, without its ending; empty if the line is refused.
        faults: Faults and repairs.
    """

    text: str
    faults: tuple[Fault, ...] = ()

    @property
    def refused(self) -> bool:
        """True if the line has a fault that cannot be repaired."""
        return bool(self.faults) and any(fault.kind not in REPAIRED for fault in self.faults)


def read_lines(path: Path, max_characters: int, encoding: str = UTF8) -> Iterator[Line]:
    """Read and check the lines of a text file, one in memory at a time.

    Args:
        path: The file, plain or ``.gz``.
        max_characters: Longest line in characters; longer lines are refused.
        encoding: The file's encoding; a byte-order mark overrides it.

    Yields:
        Every line. CR before LF is dropped; only the first such line of the file has a fault for it.

    Raises:
        DataError: If the file cannot be read or unpacked.
    """
    for line in decoded_lines(path, max_characters, encoding):
        if not line.faults:
            yield check_text(line.text, max_characters)
        elif line.refused:
            yield line
        else:
            checked = check_text(line.text, max_characters)
            yield Line(checked.text, (*line.faults, *checked.faults))


def decoded_lines(path: Path, max_characters: int, encoding: str = UTF8) -> Iterator[Line]:
    """Read the lines of a text file like ``read_lines``, without checking their text.

    Args:
        path: The file, plain or ``.gz``.
        max_characters: Longest line in characters: lines of more than 4 times as many bytes are refused.
        encoding: The file's encoding; a byte-order mark overrides it.

    Yields:
        Every line.

    Raises:
        DataError: If the file cannot be read or unpacked.
    """
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
    """Check one sentence.

    Args:
        text: The sentence, without a line feed.
        max_characters: Longest sentence in characters.

    Returns:
        The sentence in NFC, and its faults.

    Example:
        >>> check_text("Köln", 10).text, check_text(" ", 10).faults[0].kind
        ('Köln', 'whitespace')
    """
    if not text:
        return Line("", (Fault("empty", "nothing in the line"),))
    if len(text) > max_characters:
        reason = f"{len(text):,} characters, at most {max_characters:,} are allowed"
        return Line("", (Fault("overlong", reason),))
    control = _CONTROL.search(text)
    if control is not None:
        code = ord(control.group())
        name = "lone surrogate" if code >= 0xD800 else "control character"
        reason = f"{name} U+{code:04X} at character {control.start() + 1}"
        return Line("", (Fault("control" if code else "nul", reason),))
    faults: tuple[Fault, ...] = ()
    if _SEPARATOR.search(text):
        text = _SEPARATOR.sub(" ", text)
        faults = (Fault("line-separator", "U+2028 or U+2029 replaced by a space"),)
    if not _VISIBLE.search(text):
        return Line("", (Fault("whitespace", "nothing but white space"),))
    return Line(unicodedata.normalize("NFC", text), faults)


def _decode(raw: bytes, encoding: str) -> Line:
    """Decode a line that was recoded to UTF-8; bytes that the file's encoding does not allow are invalid here too."""
    try:
        return Line(raw.decode(UTF8))
    except UnicodeDecodeError as error:
        place = f": byte 0x{raw[error.start]:02x} at byte {error.start + 1}"
        reason = f"not {encoding.upper()}{place if encoding == UTF8 else ''}"
        return Line("", (Fault(NOT_UTF8, reason),))


def _skip_line(stream: IO[bytes], limit: int) -> int:
    """Skip to the end of the line; returns the number of bytes."""
    size = 0
    while raw := stream.readline(limit):
        size += len(raw.removesuffix(b"\n"))
        if raw.endswith(b"\n"):
            break
    return size
