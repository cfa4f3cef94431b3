"""Options of the classification tasks: table ``[task-name]``, or ``--set task-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

from otx_tasks.options import TransferOptions


@dataclass(frozen=True)
class XnliOptions(TransferOptions):
    """Options of ``xnli``; the defaults are XTREME's (scripts/train_xnli.sh).

    Attributes:
        data: Folder with ``test-XX.tsv`` (XTREME) or ``xnli.test.tsv`` / ``.jsonl`` (XNLI 1.0), or ``xnli/`` with
            them, and training files (``train-XX.tsv``; English also ``multinli.train.en.tsv`` or
            ``english-train/*.tsv``).
        train: Training file (TSV or JSONL); replaces those in ``data``.
        split: Part of XNLI that is tested on, ``test`` or ``dev``.
        max_length: Maximum number of sub-words of premise and hypothesis together, special tokens included; the
            longer one is cut first.
    """

    split: Literal["test", "dev"] = "test"
    max_length: Annotated[int, Gt(0)] = 128


@dataclass(frozen=True)
class ClassificationOptions(TransferOptions):
    """Options of ``classification`` and ``paws-x``; the defaults are XTREME's (scripts/train_pawsx.sh).

    Attributes:
        data: Folder with ``test-XX.tsv`` and ``train-XX.tsv``: one or two texts and a class, with or without a header.
        split: Files that are tested on; none means ``test``, or ``dev`` (with a note) if only these exist.
        max_length: Maximum number of sub-words of a row, special tokens included; the longer text is cut first.
    """

    split: Literal["test", "dev"] | None = None
    max_length: Annotated[int, Gt(0)] = 128
