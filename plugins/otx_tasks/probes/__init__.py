"""Probes of an encoder without training: retrieval, word alignment, structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx.links.aer import METRICS as ALIGNMENT_METRICS
from otx.types import Metric, TaskInfo
from otx_tasks.metrics import (
    mean_of,
    participation_ratio,
    ratio_to_geometric_mean,
    share_of,
    skewness,
)

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RETRIEVAL = TaskInfo(
    name="retrieval",
    version="2",
    kind="probe",
    metrics=(
        Metric("accuracy", mean_of("to_pivot", "from_pivot")),
        Metric("accuracy_to_pivot", mean_of("to_pivot")),
        Metric("accuracy_from_pivot", mean_of("from_pivot")),
        Metric("csls", mean_of("csls_to_pivot", "csls_from_pivot")),
        Metric("csls_to_pivot", mean_of("csls_to_pivot")),
        Metric("csls_from_pivot", mean_of("csls_from_pivot")),
    ),
    licence="that of the files given (Tatoeba: CC BY 2.0 FR; NTREX: CC BY-SA 4.0)",
    suites={"xtreme": 9, "probes": 1},
)

WORD_ALIGNMENT = TaskInfo(
    name="word-alignment",
    version="1",
    kind="probe",
    metrics=tuple(ALIGNMENT_METRICS),
    licence="that of the files given",
    suites={"probes": 2},
)

WORD_RETRIEVAL = TaskInfo(
    name="word-retrieval",
    version="1",
    kind="probe",
    metrics=(
        Metric("csls", mean_of("to_target", "from_target")),
        Metric("csls_to_target", mean_of("to_target")),
        Metric("csls_from_target", mean_of("from_target")),
    ),
    licence="that of the files given",
    suites={"probes": 3},
)

STRUCTURE = TaskInfo(
    name="structure",
    version="1",
    kind="probe",
    metrics=(
        Metric("cka", ratio_to_geometric_mean("both", "own", "other")),
        Metric("language_id", mean_of("told"), higher_is_better=False),
        Metric("cosine", mean_of("cosine"), higher_is_better=False, percent=False),
        Metric("dimension", participation_ratio, percent=False),
        Metric("hubness", skewness, higher_is_better=False, percent=False),
    ),
    licence="that of the files given",
    suites={"probes": 4},
)

BUCC = TaskInfo(
    name="bucc",
    version="1",
    kind="probe",
    metrics=(
        Metric("f1", share_of("right", "found", "gold")),
        Metric("precision", share_of("right", "found")),
        Metric("recall", share_of("right", "gold")),
    ),
    licence="that of BUCC 2018 (for research)",
    suites={"xtreme": 8, "probes": 5},
)


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="retrieval",
        target="otx_tasks.probes.retrieval:RetrievalTask",
        summary="find each sentence's translation by cosine or CSLS, both ways",
        options="otx_tasks.probes.options:RetrievalOptions",
        info=RETRIEVAL,
    )
    registry.task(
        name="word-alignment",
        target="otx_tasks.probes.word_alignment:WordAlignmentTask",
        summary="extract word links and compare them with gold ones (AER)",
        options="otx_tasks.probes.options:WordAlignmentOptions",
        info=WORD_ALIGNMENT,
    )
    registry.task(
        name="word-retrieval",
        target="otx_tasks.probes.word_retrieval:WordRetrievalTask",
        summary="find each word's translation among the words of all sentences by CSLS",
        options="otx_tasks.probes.options:WordRetrievalOptions",
        info=WORD_RETRIEVAL,
    )
    registry.task(
        name="structure",
        target="otx_tasks.probes.structure:StructureTask",
        summary="look inside: CKA between languages, language probe, isotropy, dimension, hubs",
        options="otx_tasks.probes.options:StructureOptions",
        info=STRUCTURE,
    )
    registry.task(
        name="bucc",
        target="otx_tasks.probes.bucc:BuccTask",
        summary="mine translations out of two texts by margin",
        options="otx_tasks.probes.options:BuccOptions",
        info=BUCC,
    )
