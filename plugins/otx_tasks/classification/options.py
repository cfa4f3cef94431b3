"""The classification tasks: their descriptions and options, and how they are registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from otx.types import Metric, TaskInfo
from otx_tasks.metrics import mean_of
from otx_tasks.options import TransferOptions

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

XNLI = TaskInfo(
    name="xnli",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", mean_of("correct")),),
    licence="CC BY-NC 4.0 (XNLI); MultiNLI's own terms for training",
    suites={"xtreme": 1, "paper": 1},
)

CLASSIFICATION = TaskInfo(
    name="classification",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", mean_of("correct")),),
    licence="that of the files given",
)

PAWSX = TaskInfo(
    name="paws-x",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", mean_of("correct")),),
    licence="free to use for any purpose (PAWS-X)",
    suites={"xtreme": 2},
)


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


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="xnli",
        target="otx_tasks.classification.xnli:XnliTask",
        summary="learn inference on English pairs, classify XNLI in each language",
        options=XnliOptions,
        info=XNLI,
    )
    registry.task(
        name="classification",
        target="otx_tasks.classification.labelled_text:ClassificationTask",
        summary="learn the classes of any English texts or pairs, classify each language's",
        options=ClassificationOptions,
        info=CLASSIFICATION,
    )
    registry.task(
        name="paws-x",
        target="otx_tasks.classification.labelled_text:PawsxTask",
        summary="learn paraphrase on English pairs, tell it in each language",
        options=ClassificationOptions,
        info=PAWSX,
    )
