"""Small checkpoints of three architectures, each with a tokenizer of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.tiny import (
    TEXT,
    bert_config,
    distilbert_config,
    sentence_pieces,
    word_pieces,
    xlmr_config,
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
