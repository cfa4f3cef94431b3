"""Tiny XLM-R models with the embedded encoder's tokenizer, for tests that open a Hugging Face folder."""

from pathlib import Path
from typing import Any

MINI = Path(__file__).parents[1] / "plugins/otx_encoders/mini"


def save_tiny_model(folder: Path, **settings: Any) -> Path:
    """Write a masked-LM model of one layer with seeded random weights, and its tokenizer; returns the folder."""
    import torch
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(MINI)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=1,
        num_attention_heads=2,
        type_vocab_size=1,
        pad_token_id=1,
        **settings,
    )
    XLMRobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
