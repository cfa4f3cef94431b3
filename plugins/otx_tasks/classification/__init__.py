"""Classification of texts and text pairs: XNLI, PAWS-X, and labelled files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx.types import Metric, TaskInfo
from otx_tasks.metrics import mean_of

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


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="xnli",
        target="otx_tasks.classification.xnli:XnliTask",
        summary="learn inference on English pairs, classify XNLI in each language",
        options="otx_tasks.classification.options:XnliOptions",
        info=XNLI,
    )
    registry.task(
        name="classification",
        target="otx_tasks.classification.labelled_text:ClassificationTask",
        summary="learn the classes of any English texts or pairs, classify each language's",
        options="otx_tasks.classification.options:ClassificationOptions",
        info=CLASSIFICATION,
    )
    registry.task(
        name="paws-x",
        target="otx_tasks.classification.labelled_text:PawsxTask",
        summary="learn paraphrase on English pairs, tell it in each language",
        options="otx_tasks.classification.options:ClassificationOptions",
        info=PAWSX,
    )
