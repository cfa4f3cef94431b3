"""A small encoder with random weights, and tokenizers of both families, made here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertTokenizerFast, PreTrainedTokenizerFast, XLMRobertaModel

from otx.types import Encoded, TokenBatch, TokenRow
from tests.tiny import xlmr_config

TEXT = [
    "The bridge over the river was opened in 1931 by the mayor of Lindau.",
    "Die Brücke über den Fluss wurde 1931 vom Bürgermeister von Lindau eröffnet.",
    "Мост через реку открыл в 1931 году мэр города Линдау.",
    "这座桥于1931年由林道市长开通。",
    "สะพานข้ามแม่น้ำเปิดใช้ในปี 1931 โดยนายกเทศมนตรีเมืองลินเดา",
    "افتتح رئيس بلدية لينداو الجسر فوق النهر عام 1931.",
    "नदी पर बना पुल 1931 में खोला गया था।",
    "Nehrin üzerindeki köprü 1931'de açıldı.",
]


class TinyEncoder:
    """The Encoder protocol over an XLM-R of two layers; a word is a white-space token."""

    reference = "tiny"

    def __init__(self, tokenizer: Any, max_length: int = 512) -> None:
        torch.manual_seed(0)
        config = xlmr_config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=max_length + 2,
            pad_token_id=tokenizer.pad_token_id,
            type_vocab_size=2,
            initializer_range=0.2,
        )
        self.module: nn.Module = XLMRobertaModel(config, add_pooling_layer=False).eval()
        self.tokenizer = tokenizer
        self.dimension, self.layers, self.max_length = 32, 2, max_length

    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        limit = self.max_length if max_length is None else min(max_length, self.max_length)
        found = []
        for text in texts:
            encoding = self.tokenizer(text.split(), is_split_into_words=True, verbose=False)
            words = [-1 if w is None else w for w in encoding.word_ids()]
            room = limit - 1
            while room > 0 and room < len(words) - 1 and words[room] == words[room - 1]:
                room -= 1
            ids = list(encoding["input_ids"])
            kept = [*words[:room], -1] if len(words) > limit else words
            ids = [*ids[:room], ids[-1]] if len(words) > limit else ids
            count = len({w for w in kept if w >= 0})
            found.append(TokenRow(ids, kept, count, len({w for w in words if w >= 0}) - count))
        return found

    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        width = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id)
        index = torch.full((len(rows), width), -1)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)] = torch.tensor(row.ids)
            index[i, : len(row.ids)] = torch.tensor(row.word_index)
            mask[i, : len(row.ids)] = True
        return TokenBatch(ids, mask, index)

    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        out = self.module(
            batch.ids,
            attention_mask=batch.mask.long(),
            token_type_ids=batch.type_ids,
            output_hidden_states=True,
        )
        return Encoded({n: out.hidden_states[n] for n in layers}, batch.mask, batch.word_index)

    def fresh_head(self, kind: str, labels: Sequence[str]) -> nn.Module:
        return TinyHead(self, kind, len(labels) or 2)


class TinyHead(nn.Module):
    """One linear map of the first sub-word (a text's class) or of each."""

    def __init__(self, encoder: TinyEncoder, kind: str, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.first_only = kind == "sequence-classification"
        self.out = nn.Linear(encoder.dimension, classes)

    def forward(self, batch: TokenBatch) -> torch.Tensor:
        states = self.encoder.encode(batch).tokens[-1]
        logits: torch.Tensor = self.out(states[:, 0] if self.first_only else states)
        return logits


@pytest.fixture(scope="session")
def unigram() -> PreTrainedTokenizerFast:
    """XLM-R's kind: sub-words of a Unigram model with ▁ for spaces, pairs as <s> a </s></s> b </s>."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = sorted({f"▁{word[:4]}" for line in TEXT for word in line.split()})
    letters = sorted({"▁", *(c for line in TEXT for c in line if not c.isspace())} - {*words})
    pieces = [(piece, -2.0 - len(piece)) for piece in [*words, *letters]]
    tokenizer = Tokenizer(models.Unigram([*((s, 0.0) for s in special), *pieces], unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def wordpiece(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    """BERT's kind, by character: type ids, pairs as [CLS] a [SEP] b [SEP]."""
    letters = sorted({c for line in TEXT for c in line if not c.isspace()})
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *[f"##{c}" for c in letters],
    ]
    return bert_tokenizer(vocabulary)


def bert_tokenizer(vocabulary: Sequence[str]) -> BertTokenizerFast:
    return BertTokenizerFast(
        vocab={word: i for i, word in enumerate(vocabulary)},
        do_lower_case=False,
        strip_accents=False,
    )


@pytest.fixture(scope="session")
def multilingual(shared_data: Path) -> BertTokenizerFast:
    """A tokenizer with the real vocabulary of multilingual BERT."""
    packed = shared_data / "vocab" / "mbert_modified_vocab.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")
    return bert_tokenizer([line for line in lines if line])


@pytest.fixture
def tiny(unigram: Any) -> Callable[..., TinyEncoder]:
    """Makes the encoder: ``tiny()``, ``tiny(tokenizer)``, ``tiny(max_length=16)``."""

    def make(tokenizer: Any = unigram, max_length: int = 512) -> TinyEncoder:
        return TinyEncoder(tokenizer, max_length)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text file under the test's folder, gz if its name says so."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return make


@pytest.fixture
def squad_json() -> Callable[..., str]:
    """SQuAD v1.1 JSON out of {article: {context: [(id, question, [(answer, start)])]}}."""

    def make(articles: dict[str, dict[str, list[Any]]]) -> str:
        data = []
        for title, paragraphs in articles.items():
            listed = []
            for context, questions in paragraphs.items():
                qas = [
                    {
                        "id": name,
                        "question": question,
                        "answers": [{"text": t, "answer_start": s} for t, s in answers],
                    }
                    for name, question, answers in questions
                ]
                listed.append({"context": context, "qas": qas})
            data.append({"title": title, "paragraphs": listed})
        return json.dumps({"version": "1.1", "data": data}, ensure_ascii=False)

    return make
