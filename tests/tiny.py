"""Small encoders with random weights, and tokenizers for them: every test that needs one makes it here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        DistilBertConfig,
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
    )

MINI = Path(__file__).parents[1] / "plugins/otx_encoders/mini"

TEXT = [
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Übermäßig große Bären tanzten fröhlich über die Brücke in Köln.",
    "El niño comió una manzana roja mañana por la mañana.",
    "Ещё один ёжик нашёл чай и йогурт в Москве.",
    "Ελλάδα είναι μια όμορφη χώρα, η Αθήνα επίσης.",
    "在 河边 有 一 只 敏捷 的 狐狸 。",
    "กินข้าวที่บ้านกับแม่",
    "नमस्ते दुनिया, यह की किताब कुछ है।",
    "Unicode unicode UNICODE, Berlin berlin 2024!",
]
ALPHABET = sorted({*"".join(TEXT), *"BQÜЖΩбqжωéñüőйёάếeouиαêกีकु"} - {" "})
VOCABULARY = 400
"""Size of the tokenizers trained on ``TEXT``."""
WIDTH, DEPTH, POSITIONS = 32, 3, 64


def word_pieces(lower: bool, trained_lower: bool | None = None) -> BertTokenizerFast:
    """Train a BERT tokenizer on ``TEXT``.

    Args:
        lower: Whether it lower-cases and strips accents.
        trained_lower: Whether its training text was lower-cased, if that differs.

    Returns:
        The tokenizer.
    """
    import transformers
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    reads = lower if trained_lower is None else trained_lower
    inner.normalizer = normalizers.BertNormalizer(lowercase=reads, strip_accents=reads)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    normalise = inner.normalizer.normalize_str
    inner.train_from_iterator(
        TEXT,
        trainers.WordPieceTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            initial_alphabet=[c for c in ALPHABET if normalise(c) == c],
            show_progress=False,
        ),
    )
    inner.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=lower)
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return transformers.BertTokenizerFast(
        tokenizer_object=inner, do_lower_case=lower, strip_accents=lower, model_max_length=POSITIONS
    )


def sentence_pieces() -> PreTrainedTokenizerFast:
    """Train a Unigram tokenizer on ``TEXT``, with XLM-R's special tokens in XLM-R's order."""
    import transformers
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    inner = Tokenizer(models.Unigram())
    inner.normalizer = normalizers.NFKC()
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    inner.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(
            vocab_size=VOCABULARY - 1,
            special_tokens=special,
            unk_token="<unk>",
            initial_alphabet=ALPHABET,
            show_progress=False,
        ),
    )
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=POSITIONS,
    )


def bert_config(**changes: Any) -> BertConfig:
    """Return the configuration of a small BERT; ``changes`` replace its fields."""
    from transformers import BertConfig

    fields = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": POSITIONS,
    }
    return BertConfig(**(fields | changes))


def xlmr_config(**changes: Any) -> XLMRobertaConfig:
    """Return the configuration of a small XLM-R; ``changes`` replace its fields."""
    from transformers import XLMRobertaConfig

    fields = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": POSITIONS + 2,
        "type_vocab_size": 1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    return XLMRobertaConfig(**(fields | changes))


def distilbert_config(**changes: Any) -> DistilBertConfig:
    """Return the configuration of a small DistilBERT; ``changes`` replace its fields."""
    from transformers import DistilBertConfig

    fields = {
        "vocab_size": VOCABULARY,
        "dim": WIDTH,
        "n_layers": DEPTH,
        "n_heads": 4,
        "hidden_dim": 48,
        "max_position_embeddings": POSITIONS,
    }
    return DistilBertConfig(**(fields | changes))


def save_tiny_model(folder: Path, **changes: Any) -> Path:
    """Write an XLM-R of one layer with a masked-LM head and seeded random weights, and the tokenizer of ``mini``.

    Args:
        folder: The folder to write.
        **changes: Fields of its configuration.

    Returns:
        The folder.
    """
    import torch
    from transformers import AutoTokenizer, XLMRobertaForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(MINI)
    torch.manual_seed(0)
    small = {"vocab_size": len(tokenizer), "num_hidden_layers": 1, "num_attention_heads": 2}
    XLMRobertaForMaskedLM(xlmr_config(**(small | changes))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
