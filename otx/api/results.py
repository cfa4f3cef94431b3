"""Results of an evaluation, as Python users see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otx.api.html import html_table
from otx.api.tables import text_table
from otx.errors import DataError
from otx.plugin_host.registry import Registry
from otx.runs.result_rows import result_rows
from otx.runs.results import EvalUnit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Result:
    """One task in one language with one seed of its head.

    Attributes:
        run: Name of the run, or of the folder of the untouched encoder.
        unit: The numbers and everything that they depend on.
    """

    run: str
    unit: EvalUnit


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Results of tasks, one per run, language and seed: a sequence of ``Result``.

    Attributes:
        results: The results in the order of the table.
        faults: What could not be evaluated because its data could not be used; the other results stand.
        registry: The registered tasks, which know the units of the metrics.
        tasks: Names of the tasks that were evaluated, in the order of the table.

    Example:
        >>> import otx
        >>> results = otx.evaluate("first", tasks=["retrieval"])  # doctest: +SKIP
        >>> results.to_pandas().groupby("language")["accuracy"].mean()  # doctest: +SKIP
    """

    results: Sequence[Result]
    faults: Sequence[DataError] = ()
    registry: Registry = field(default_factory=Registry)
    tasks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        """Yield the results in the order of the table."""
        return iter(self.results)

    def __getitem__(self, index: int) -> Result:
        """Return one result."""
        return self.results[index]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per result, with a column per metric; metrics are fractions, not percentages."""
        import pandas

        rows = []
        for result in self.results:
            fields = dataclasses.asdict(result.unit)
            metrics: Mapping[str, float] = fields.pop("metrics")
            rows.append({"run": result.run, **fields, **metrics})
        return pandas.DataFrame(rows)

    def table(self) -> str:
        """Return the results as a plain text table; shares are percentages."""
        return text_table(self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        return result_rows([(result.run, result.unit) for result in self.results], self.registry)

    def _notes(self) -> list[str]:
        contaminated = [
            f"{result.unit.task} {result.unit.language}: {result.unit.contamination['hits']:,} of "
            f"{result.unit.contamination['size']:,} texts are in the bitext of {result.run}"
            for result in self.results
            if result.unit.contamination["hits"]
        ]
        return [*contaminated, *(f"not evaluated: {fault}" for fault in self.faults)]

    def __repr__(self) -> str:
        """Return the table, with contamination and faults below it."""
        return "\n".join([self.table(), *(f"! {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        heading, *rows = self._rows()
        return html_table("Results", heading, rows, [f"! {note}" for note in self._notes()])
