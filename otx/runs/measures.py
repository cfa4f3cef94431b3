"""Measures of the diagnostics: what each is called and in which unit it is shown, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: its title, and the format of its values."""

    title: str
    form: str


MEASURES = {
    "retrieval": Measure("held-out retrieval", "{:.1%}"),
    "aer": Measure("word-alignment error (lower is better)", "{:.1%}"),
    "random_cosine": Measure("cosine of random pairs (1 = collapsed)", "{:.3f}"),
    "effective_rank": Measure("effective rank of the sentences", "{:.1f}"),
}
"""In the order in which they are shown. Records hold shares as fractions."""


def measure_text(name: str, value: float) -> str:
    """Write a value in the unit of its measure.

    Args:
        name: The measure, or ``measure.LANGUAGE``.
        value: As the record holds it.

    Example:
        >>> measure_text("retrieval.de", 0.104)
        '10.4%'
    """
    measure = MEASURES.get(name.partition(".")[0])
    return f"{value:.3f}" if measure is None else measure.form.format(value)
