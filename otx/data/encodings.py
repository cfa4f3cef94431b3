"""Recognise text encodings by byte-order mark or name, and decode files piece by piece."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO

from otx.errors import DataError
from otx.printable import quote

UTF8 = "utf-8"
BAD = "\udcff"
"""Replaces a byte that the encoding does not allow. Decoded text has no other lone surrogate."""

_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    # Before UTF-16: this mark begins with the mark of UTF-16-LE.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_OF_FILES = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "cp950",
}
"""Supersets that programs write under these names: tried, as in browsers, if the encoding has no character."""


def marked_encoding(start: bytes) -> tuple[str, int] | None:
    """Recognise a byte-order mark.

    Args:
        start: The first bytes of a file, at least 4.

    Returns:
        The encoding and the mark's length in bytes; None without a mark.

    Example:
        >>> marked_encoding(b"\\xef\\xbb\\xbfabc"), marked_encoding(b"abcd")
        (('utf-8', 3), None)
    """
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    return None


def known_encoding(name: str, place: str) -> str:
    """Return Python's name of an encoding.

    Args:
        name: The encoding as a file or a user names it.
        place: The file or the setting, for the message.

    Returns:
        The name that ``bytes.decode`` takes.

    Raises:
        DataError: If it is not the encoding of a text file that otx can read.

    Example:
        >>> known_encoding("Latin1", "files.encoding")
        'iso8859-1'
    """
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise _unknown(name, place) from error
    # Python's codecs also unpack archives and escape sequences.
    if not codec._is_text_encoding or codec.name in _NOT_OF_FILES:
        raise _unknown(name, place)
    return codec.name


def new_decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Return a decoder that replaces invalid bytes by ``BAD``.

    A file can be decoded piece by piece.

    Args:
        encoding: A name of ``known_encoding``.
    """
    return codecs.getincrementaldecoder(encoding)(errors=_MARK_BAD)


class Recoded(io.RawIOBase):
    """A file of another encoding as a stream of UTF-8; ``BAD`` becomes invalid.

    Args:
        stream: The file, after its byte-order mark.
        encoding: A name of ``known_encoding``.
    """

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._decoder = stream, new_decoder(encoding)
        self._rest, self._ended = b"", False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer``.

        Args:
            buffer: The bytes to fill.

        Returns:
            The number of bytes; 0 at the end.
        """
        while not self._rest and not self._ended:
            piece = self._stream.read(2**16)
            self._ended = not piece
            self._rest = self._decoder.decode(piece, self._ended).encode(UTF8, "surrogatepass")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        """Close the stream and its file."""
        self._stream.close()
        super().close()


_MARK_BAD = "otx-mark-bad"


def _mark_bad(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    superset = _SUPERSETS.get(error.encoding.replace("-", "_").lower())
    if superset is not None:
        try:
            return error.object[error.start : error.start + 2].decode(superset), error.start + 2
        except UnicodeDecodeError:
            pass
    return BAD, error.start + 1


codecs.register_error(_MARK_BAD, _mark_bad)


def _unknown(name: str, place: str) -> DataError:
    return DataError(f"{place}: unknown encoding {quote(name)}", "convert the file to UTF-8")
