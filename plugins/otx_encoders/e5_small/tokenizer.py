"""Build XLM-R's tokenizer from a packed encoder's pieces and character map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from otx.errors import DataError
from otx_encoders.e5_small.packed import PackedModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
"""XLM-R's special tokens by transformers' names of their roles."""
_SPACE = "\u2581"
_RULE = "nmt_nfkc"
_CHARSMAP_FIELD = 2


def build_tokenizer(model: PackedModel) -> Tokenizer:
    """Build the fast tokenizer of a packed encoder.

    Args:
        model: The packed encoder; a piece's place in its vocabulary becomes its id.

    Returns:
        A Unigram tokenizer that frames texts as ``<s> A </s>`` and ``<s> A </s></s> B </s>``.

    Raises:
        DataError: If a special token is not among the pieces.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import Unigram
    from tokenizers.processors import TemplateProcessing

    scores = [float(score) for score in model.scores]
    vocabulary = list(zip(model.pieces, scores, strict=True))
    places = {piece: place for place, piece in enumerate(model.pieces)}
    missing = sorted(set(SPECIAL.values()) - places.keys())
    if missing:
        raise DataError(f"the packed encoder has no piece {missing[0]}")
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=model.special["unk"], byte_fallback=False))
    # Repeated spaces, and spaces at the ends, are removed as in SentencePiece, which made XLM-R's vocabulary.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(compile_characters(model.characters)),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(_SPACE, prepend_scheme="always")
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B:0 </s>:0",
        special_tokens=[("<s>", places["<s>"]), ("</s>", places["</s>"])],
    )
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token in dict.fromkeys(SPECIAL.values())
        ]
    )
    return tokenizer


def compile_characters(characters: Mapping[str, str]) -> bytes:
    """Compile a map of single characters for ``tokenizers``.

    XLM-R normalises by SentencePiece's rule ``nmt_nfkc`` of 2019. Today's SentencePiece differs in 174 characters, the
    zero-width joiner of Hindi among them, so single characters come from ``characters``; SentencePiece's rule adds only
    the sequences that compose, such as a letter and its accent.

    Args:
        characters: Single characters to their replacements; all others stay unchanged.

    Returns:
        The compiled map, for ``tokenizers.normalizers.Precompiled``.

    References:
        Kudo and Richardson (2018), "SentencePiece". https://arxiv.org/abs/1808.06226
    """
    import sentencepiece

    sentencepiece.set_min_log_level(1)  # Compiling is reported to stderr otherwise.
    rules = dict(sentencepiece.SentencePieceNormalizer(rule_name=_RULE).Decompile())
    sequences = {text: plain for text, plain in rules.items() if len(text) > 1}
    compiled = sentencepiece.SentencePieceNormalizer(
        norm_map=[*(sequences | dict(characters)).items()]
    )
    specification = dict(_fields(compiled.serialized_normalizer_spec()))
    return specification[_CHARSMAP_FIELD]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the length-delimited fields of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == 2:
            yield key >> 3, message[at : at + value]
            at += value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
