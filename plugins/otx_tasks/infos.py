"""What each task is, light enough to be listed: name, version, metrics, licence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otx.links.aer import METRICS as ALIGNMENT_METRICS
from otx.types import Metric, TaskInfo


def _ratio(*parts: str) -> Callable[[Mapping[str, Any]], Any]:
    """The mean over examples, and over ``parts``, of statistics that every example has once."""

    def compute(sums: Mapping[str, Any]) -> Any:
        return sum(sums[part] for part in parts) / (len(parts) * sums["n"])

    return compute


RETRIEVAL = TaskInfo(
    name="retrieval",
    version="1",
    kind="probe",
    metrics=(
        Metric("accuracy", _ratio("to_pivot", "from_pivot")),
        Metric("accuracy_to_pivot", _ratio("to_pivot")),
        Metric("accuracy_from_pivot", _ratio("from_pivot")),
        Metric("csls", _ratio("csls_to_pivot", "csls_from_pivot")),
        Metric("csls_to_pivot", _ratio("csls_to_pivot")),
        Metric("csls_from_pivot", _ratio("csls_from_pivot")),
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

XQUAD = TaskInfo(
    name="xquad",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_squad", _ratio("f1")), Metric("em_squad", _ratio("exact"))),
    licence="CC BY-SA 4.0 (SQuAD, XQuAD)",
    suites={"xtreme": 5, "paper": 2},
)

XNLI = TaskInfo(
    name="xnli",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", _ratio("correct")),),
    licence="CC BY-NC 4.0 (XNLI); MultiNLI's own terms for training",
    suites={"xtreme": 1, "paper": 1},
)

POS = TaskInfo(
    name="pos",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", _ratio("correct")),),
    licence="that of the treebanks given (UD PUD: CC BY-SA 3.0)",
    suites={"xtreme": 3},
)


def _share(part: str, *whole: str) -> Callable[[Mapping[str, Any]], Any]:
    """``part`` over the mean of ``whole``, elementwise; 0 where there is nothing."""

    def compute(sums: Mapping[str, Any]) -> Any:
        total = sum(sums[name] for name in whole)
        return len(whole) * sums[part] / (total + (total == 0))

    return compute


NER = TaskInfo(
    name="ner",
    version="2",
    kind="transfer",
    metrics=(
        Metric("entity_f1", _share("right", "found", "gold")),
        Metric("precision", _share("right", "found")),
        Metric("recall", _share("right", "gold")),
    ),
    licence="that of the files given (WikiANN: none stated)",
    suites={"xtreme": 4},
)

MLQA = TaskInfo(
    name="mlqa",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_mlqa", _ratio("f1")), Metric("em_mlqa", _ratio("exact"))),
    licence="CC BY-SA 3.0 (MLQA); CC BY-SA 4.0 (SQuAD)",
    suites={"xtreme": 6},
)

TYDIQA = TaskInfo(
    name="tydiqa-goldp",
    version="2",
    kind="transfer",
    metrics=(Metric("f1_squad", _ratio("f1")), Metric("em_squad", _ratio("exact"))),
    licence="Apache 2.0 (TyDi QA)",
    suites={"xtreme": 7},
)

CLASSIFICATION = TaskInfo(
    name="classification",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", _ratio("correct")),),
    licence="that of the files given",
)

PAWSX = TaskInfo(
    name="paws-x",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", _ratio("correct")),),
    licence="free to use for any purpose (PAWS-X)",
    suites={"xtreme": 2},
)
