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
    version="2",
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


WORD_RETRIEVAL = TaskInfo(
    name="word-retrieval",
    version="1",
    kind="probe",
    metrics=(
        Metric("csls", _ratio("to_target", "from_target")),
        Metric("csls_to_target", _ratio("to_target")),
        Metric("csls_from_target", _ratio("from_target")),
    ),
    licence="that of the files given",
    suites={"probes": 3},
)


def _ratio_of_roots(part: str, one: str, other: str) -> Callable[[Mapping[str, Any]], Any]:
    """``part`` over the geometric mean of two more; 0 where there is nothing."""

    def compute(sums: Mapping[str, Any]) -> Any:
        whole = (sums[one] * sums[other]) ** 0.5
        return sums[part] / (whole + (whole == 0))

    return compute


def _participation(sums: Mapping[str, Any]) -> Any:
    """(sum of eigenvalues)^2 over the sum of their squares, from traces; 0 where all vectors are one."""
    return sums["power"] ** 2 / (sums["own"] + (sums["own"] == 0))


def _skewness(sums: Mapping[str, Any]) -> Any:
    """Third standardised moment from sums of powers; 0 where all counts are equal."""
    mean = sums["near"] / sums["n"]
    square, cube = sums["near2"] / sums["n"], sums["near3"] / sums["n"]
    # Rounding leaves a little where there is no spread; counts are whole, so a real one is far above it.
    variance = square - mean**2
    flat = (variance < 1e-9) * 1.0
    third = cube - 3 * mean * square + 2 * mean**3
    return third * (1 - flat) / (variance * (1 - flat) + flat) ** 1.5


STRUCTURE = TaskInfo(
    name="structure",
    version="1",
    kind="probe",
    metrics=(
        Metric("cka", _ratio_of_roots("both", "own", "other")),
        Metric("language_id", _ratio("told"), higher_is_better=False),
        Metric("cosine", _ratio("cosine"), higher_is_better=False, percent=False),
        Metric("dimension", _participation, percent=False),
        Metric("hubness", _skewness, higher_is_better=False, percent=False),
    ),
    licence="that of the files given",
    suites={"probes": 4},
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

BUCC = TaskInfo(
    name="bucc",
    version="1",
    kind="probe",
    metrics=(
        Metric("f1", _share("right", "found", "gold")),
        Metric("precision", _share("right", "found")),
        Metric("recall", _share("right", "gold")),
    ),
    licence="that of BUCC 2018 (for research)",
    suites={"xtreme": 8, "probes": 5},
)
