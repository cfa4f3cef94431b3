"""Small checkpoints made here: random weights, tokenizers trained on the sentences below."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
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
WIDTH, DEPTH, POSITIONS = 32, 3, 64


def word_pieces(lower: bool, trained_lower: bool | None = None) -> Any:
    """A BERT tokenizer; ``trained_lower`` says how its training text was read, if not as it reads itself."""
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


def sentence_pieces() -> Any:
    """A Unigram tokenizer with XLM-R's special tokens in XLM-R's order."""
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


def bert_config(**changes: Any) -> transformers.BertConfig:
    return transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        **changes,
    )


def xlmr_config(**changes: Any) -> transformers.XLMRobertaConfig:
    return transformers.XLMRobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=POSITIONS + 2,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        **changes,
    )


def distilbert_config(**changes: Any) -> transformers.DistilBertConfig:
    return transformers.DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=WIDTH,
        n_layers=DEPTH,
        n_heads=4,
        hidden_dim=48,
        max_position_embeddings=POSITIONS,
        **changes,
    )


CONFIGS = {"Bert": bert_config, "XLMRoberta": xlmr_config, "DistilBert": distilbert_config}

Checkpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A saved checkpoint of an architecture, such as "BertForMaskedLM"; the same one for the same name."""
    made: dict[str, Path] = {}
    tokenizers = {"Bert": word_pieces(lower=False), "XLMRoberta": sentence_pieces()}
    tokenizers["DistilBert"] = tokenizers["Bert"]

    def make(architecture: str) -> Path:
        if architecture not in made:
            family = next(
                name for name in ("DistilBert", "XLMRoberta", "Bert") if name in architecture
            )
            folder = tmp_path_factory.mktemp(architecture)
            torch.manual_seed(len(made))
            config = (
                CONFIGS[family](num_labels=3)
                if "Classification" in architecture
                else CONFIGS[family]()
            )
            model = getattr(transformers, architecture)(config)
            # Fresh biases and norms are all alike; nothing may hide behind that.
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)
            model.save_pretrained(folder)
            tokenizers[family].save_pretrained(folder)
            made[architecture] = folder
        return made[architecture]

    return make


@pytest.fixture
def copied(checkpoint: Checkpoint, tmp_path: Path) -> Checkpoint:
    """A copy of a checkpoint that a test may spoil; ``config`` changes its config.json."""

    def copy(architecture: str, config: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / architecture
        folder.mkdir()
        for file in checkpoint(architecture).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        if config is not None:
            content = json.loads((folder / "config.json").read_text()) | config
            (folder / "config.json").write_text(json.dumps(content))
        return folder

    return copy


@pytest.fixture(scope="session")
def text() -> list[str]:
    """Sentences in eight languages that the tokenizers know."""
    return TEXT


@pytest.fixture(scope="session")
def cased() -> Any:
    """A WordPiece tokenizer of text with capitals and accents, set up rightly."""
    return word_pieces(lower=False)


@pytest.fixture(scope="session")
def uncased() -> Any:
    """A WordPiece tokenizer that lower-cases, of a vocabulary without capitals."""
    return word_pieces(lower=True)


@pytest.fixture(scope="session")
def misread() -> Any:
    """A WordPiece tokenizer that lower-cases although its vocabulary has capitals."""
    return word_pieces(lower=True, trained_lower=False)


@pytest.fixture(scope="session")
def blind() -> Any:
    """A WordPiece tokenizer that keeps capitals and accents although its vocabulary has none."""
    return word_pieces(lower=False, trained_lower=True)


@pytest.fixture(scope="session")
def unigram() -> Any:
    """A SentencePiece-like tokenizer."""
    return sentence_pieces()
