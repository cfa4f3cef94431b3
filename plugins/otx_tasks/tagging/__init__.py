"""Tagging of words: parts of speech and named entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx.types import Metric, TaskInfo
from otx_tasks.metrics import mean_of, share_of

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

POS = TaskInfo(
    name="pos",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", mean_of("correct")),),
    licence="that of the treebanks given (UD PUD: CC BY-SA 3.0)",
    suites={"xtreme": 3},
)

NER = TaskInfo(
    name="ner",
    version="2",
    kind="transfer",
    metrics=(
        Metric("entity_f1", share_of("right", "found", "gold")),
        Metric("precision", share_of("right", "found")),
        Metric("recall", share_of("right", "gold")),
    ),
    licence="that of the files given (WikiANN: none stated)",
    suites={"xtreme": 4},
)


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="pos",
        target="otx_tasks.tagging.pos:PosTask",
        summary="learn part-of-speech tags on English treebanks, tag each language's words",
        options="otx_tasks.tagging.options:TaggingOptions",
        info=POS,
    )
    registry.task(
        name="ner",
        target="otx_tasks.tagging.ner:NerTask",
        summary="learn named entities in English, find them in each language",
        options="otx_tasks.tagging.options:TaggingOptions",
        info=NER,
    )
