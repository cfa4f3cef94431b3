"""A comparison of runs, as Python users see it."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from otx.runs import render

if TYPE_CHECKING:
    import pandas as pd

    from otx.runs.table import Comparison as Tables

Format = Literal["text", "markdown", "csv", "json", "latex"]
WIDTH = 120
"""Columns of a plain text table."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs compared with their baselines, task by task: differences, intervals, and what is significant.

    Attributes:
        data: Tables of columns, rows and cells, with notes: plain data.

    Example:
        >>> import otx
        >>> print(otx.compare(["first", "second"]).table("markdown"))  # doctest: +SKIP
    """

    data: Tables

    def table(self, form: Format = "text") -> str:
        """Return the comparison as text.

        Args:
            form: ``text`` for a terminal, ``markdown``, ``csv``, ``json`` or ``latex``.
        """
        if form == "text":
            return _text(self.data)
        texts = {
            "markdown": render.markdown,
            "csv": render.csv_text,
            "json": render.json_text,
            "latex": render.latex,
        }
        return texts[form](self.data)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per cell: task, metric, system, column, value, difference, interval and p.

        Values and differences are fractions, not percentages.
        """
        import pandas

        return pandas.DataFrame(
            {
                "task": table.task,
                "metric": table.metric,
                "system": row.system,
                "role": row.role,
                "baseline": row.baseline,
                "column": column.name,
                "kind": column.kind,
                **asdict(cell),
            }
            for table in self.data.tables
            for row in table.rows
            for column, cell in zip(table.columns, row.cells, strict=True)
            if cell is not None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        return self.data.as_dict()

    def __repr__(self) -> str:
        """Return the plain text table."""
        return self.table().rstrip("\n")

    def _repr_html_(self) -> str:
        from rich.console import Console

        console = Console(record=True, width=WIDTH, file=io.StringIO(), force_jupyter=False)
        console.print(render.rich_table(self.data, WIDTH))
        code = '<pre style="line-height: normal">{code}</pre>'
        return console.export_html(inline_styles=True, code_format=code)


def _text(data: Tables) -> str:
    from rich.console import Console

    console = Console(width=WIDTH, file=io.StringIO(), color_system=None, force_jupyter=False)
    with console.capture() as captured:
        console.print(render.rich_table(data, WIDTH))
    return captured.get()
