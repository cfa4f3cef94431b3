"""Measures of the diagnostics: their titles and units, the same in every output."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of the diagnostics.

    Attributes:
        title: Title in outputs.
        form: Format of its values.
    """

    title: str
    form: str


MEASURES = {
    "retrieval": Measure("held-out retrieval", "{:.1%}"),
    "aer": Measure("word-alignment error (lower is better)", "{:.1%}"),
    "random_cosine": Measure("cosine of random pairs (1 = collapsed)", "{:.3f}"),
    "effective_rank": Measure("effective rank of the sentences", "{:.1f}"),
}
"""The measures in the order in which they are shown. Records hold shares as fractions."""


def measure_text(name: str, value: float) -> str:
    """Format a value in the unit of its measure.

    Args:
        name: Name of the measure, or ``measure.LANGUAGE``.
        value: The value as recorded; a share is a fraction.

    Example:
        >>> measure_text("retrieval.de", 0.104)
        '10.4%'
    """
    measure = MEASURES.get(name.partition(".")[0])
    return f"{value:.3f}" if measure is None else measure.form.format(value)
