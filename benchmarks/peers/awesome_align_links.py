"""Link sentence pairs with awesome-align: its own ``word_align`` at its defaults, softmax and batches of 32.

    python -m benchmarks.peers.awesome_align_links MODEL_FOLDER PAIRS LAYER EXTRACTION

PAIRS is a JSON file of ``[[source, target], ...]``, tokens by space. Its command reads checkpoints and WordPiece files
of 2019 only; here its model gets the weights and the tokenizer of a Hugging Face folder. Prints seconds without
loading, and the links, as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from awesome_align import modeling
from awesome_align.configuration_bert import BertConfig
from awesome_align.modeling import BertForMaskedLM
from awesome_align.run_align import word_align
from safetensors.torch import load_file
from transformers import AutoTokenizer


class OldTokenizer:
    """The methods of a tokenizer of 2019 that awesome-align calls.

    Args:
        folder: A Hugging Face folder.
    """

    def __init__(self, folder: str) -> None:
        self._new = AutoTokenizer.from_pretrained(folder)
        self.max_len = 512
        self.pad_token_id = self._new.pad_token_id
        self.cls_token_id, self.sep_token_id = self._new.cls_token_id, self._new.sep_token_id
        self.tokenize = self._new.tokenize
        self.convert_tokens_to_ids = self._new.convert_tokens_to_ids

    def prepare_for_model(
        self, ids: list[int], return_tensors: str, max_length: int
    ) -> dict[str, Any]:
        """Add the special tokens.

        Args:
            ids: Sub-words.
            return_tensors: Ignored; always a tensor.
            max_length: Longest result.
        """
        whole = [self.cls_token_id, *ids[: max_length - 2], self.sep_token_id]
        return {"input_ids": torch.tensor([whole])}


def load(folder: str) -> Any:
    """Return awesome-align's model with the weights of a Hugging Face folder of a BERT.

    Args:
        folder: The folder.
    """
    config = BertConfig(**json.loads(Path(folder, "config.json").read_text()))
    config.vocab_size_or_config_json_file = config.vocab_size
    model = BertForMaskedLM(config)
    weights = {
        f"bert.{name}": tensor for name, tensor in load_file(f"{folder}/model.safetensors").items()
    }
    missing = model.load_state_dict(weights, strict=False)
    unread = [
        name
        for name in missing.unexpected_keys
        if "position_ids" not in name and "pooler" not in name
    ]
    unset = [name for name in missing.missing_keys if not name.startswith(("cls.", "psi_cls."))]
    if unread or unset:
        raise SystemExit(f"weights that do not fit: {unread} {unset}")
    return model


def main() -> None:
    """Link and print."""
    folder, pairs, layer, extraction = sys.argv[1:]
    model, tokenizer = load(folder), OldTokenizer(folder)
    modeling.PAD_ID, modeling.CLS_ID = tokenizer.pad_token_id, tokenizer.cls_token_id
    modeling.SEP_ID = tokenizer.sep_token_id
    sentences = json.loads(Path(pairs).read_text())
    with tempfile.TemporaryDirectory() as work:
        data, output = os.path.join(work, "data"), os.path.join(work, "links")
        Path(data).write_text("".join(f"{one} ||| {other}\n" for one, other in sentences))
        arguments = argparse.Namespace(
            data_file=data,
            output_file=output,
            output_prob_file=None,
            output_word_file=None,
            align_layer=int(layer),
            extraction=extraction,
            softmax_threshold=0.001,
            batch_size=32,
            num_workers=4,
            device=torch.device("cpu"),
        )
        began = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            word_align(arguments, model, tokenizer)
        seconds = time.perf_counter() - began
        links = [
            sorted([*map(int, item.split("-"))] for item in line.split())
            for line in Path(output).read_text().splitlines()
        ]
    print(json.dumps({"seconds": seconds, "links": {extraction: links}}))


if __name__ == "__main__":
    main()
