"""Extractive question answering: XQuAD, MLQA and TyDi QA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx.types import Metric, TaskInfo
from otx_tasks.metrics import mean_of

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

XQUAD = TaskInfo(
    name="xquad",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_squad", mean_of("f1")), Metric("em_squad", mean_of("exact"))),
    licence="CC BY-SA 4.0 (SQuAD, XQuAD)",
    suites={"xtreme": 5, "paper": 2},
)

MLQA = TaskInfo(
    name="mlqa",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_mlqa", mean_of("f1")), Metric("em_mlqa", mean_of("exact"))),
    licence="CC BY-SA 3.0 (MLQA); CC BY-SA 4.0 (SQuAD)",
    suites={"xtreme": 6},
)

TYDIQA = TaskInfo(
    name="tydiqa-goldp",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_squad", mean_of("f1")), Metric("em_squad", mean_of("exact"))),
    licence="Apache 2.0 (TyDi QA)",
    suites={"xtreme": 7},
)


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="xquad",
        target="otx_tasks.qa.xquad:XquadTask",
        summary="learn span extraction on SQuAD v1.1, answer XQuAD in each language",
        options="otx_tasks.qa.options:XquadOptions",
        info=XQUAD,
    )
    registry.task(
        name="mlqa",
        target="otx_tasks.qa.mlqa:MlqaTask",
        summary="learn span extraction on SQuAD v1.1, answer MLQA in each language",
        options="otx_tasks.qa.options:MlqaOptions",
        info=MLQA,
    )
    registry.task(
        name="tydiqa-goldp",
        target="otx_tasks.qa.tydiqa:TydiqaTask",
        summary="learn span extraction on TyDi QA's English gold passages, answer the other languages",
        options="otx_tasks.qa.options:TydiqaOptions",
        info=TYDIQA,
    )
