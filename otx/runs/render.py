"""Render a comparison for a terminal, as Markdown, CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import Any

from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from otx.printable import printable
from otx.runs.layout import (
    BETTER,
    MAYBE_BETTER,
    MAYBE_WORSE,
    WORSE,
    Grid,
    Shown,
    guard_grid,
    legend,
    remarks,
    table_grid,
)
from otx.runs.table import Comparison

COLOURS = {"gain": "green", "loss": "red", None: ""}
"""Colour of a change on a terminal."""
GAP = 2
"""Spaces between columns on a terminal."""
MINUS = re.compile(r"(?<!\w)-(?=\d)")
"""A hyphen that is a minus sign."""
LATEX = {
    BETTER: r"$\uparrow^{*}$",
    WORSE: r"$\downarrow^{*}$",
    MAYBE_BETTER: r"$\uparrow$",
    MAYBE_WORSE: r"$\downarrow$",
    "±": r"$\pm$",
    "<": "$<$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""LaTeX source of each special character."""


def rich_table(comparison: Comparison, width: int) -> RenderableType:
    """Render for a terminal.

    Args:
        comparison: The comparison.
        width: Width of the terminal in columns; a wider table is split into blocks of columns.
    """
    parts: list[RenderableType] = []
    for table in comparison.tables:
        grid = table_grid(table)
        parts.append(Text(printable(grid.heading), style="bold"))
        parts += _rich_blocks(grid, width)
        parts += [_note(note) for note in table.notes]
        parts.append(Text())
    if any(row.baseline for table in comparison.tables for row in table.rows):
        parts += [Text(legend(comparison), style="dim"), Text()]
    if comparison.guards:
        grid = guard_grid(comparison)
        parts.append(Text(printable(grid.heading), style="bold"))
        parts += _rich_blocks(grid, width)
    parts += [_note(line) for line in remarks(comparison)]
    return Group(*parts)


def markdown(comparison: Comparison) -> str:
    """Render as GitHub Markdown, with the best of each column in bold.

    Args:
        comparison: The comparison.
    """
    lines: list[str] = []
    grids: list[tuple[Grid, Sequence[str]]] = [
        (table_grid(table), table.notes) for table in comparison.tables
    ]
    if comparison.guards:
        grids.append((guard_grid(comparison), ()))
    for grid, notes in grids:
        lines += [f"### {grid.heading}", ""]
        lines.append(_markdown_row(grid.names))
        lines.append(_markdown_row(["---"] * grid.fixed + ["--:"] * (len(grid.names) - grid.fixed)))
        lines += [_markdown_row([_markdown_cell(cell) for cell in row]) for row in grid.rows]
        lines += ["", *(f"- {_escaped(note)}" for note in notes)]
        lines += [""] if notes else []
    lines += [legend(comparison), ""]
    lines += [f"- {_escaped(line)}" for line in remarks(comparison)]
    return "\n".join(lines).rstrip() + "\n"


def latex(comparison: Comparison) -> str:
    """Render as LaTeX: one booktabs ``tabular`` per table.

    An arrow marks a better or worse value; a star on it means p below .05.

    Args:
        comparison: The comparison.
    """
    lines = ["% needs \\usepackage{booktabs}"]
    for table in comparison.tables:
        grid = table_grid(table)
        lines += ["", f"% {grid.heading}", *(f"% {note}" for note in table.notes)]
        lines.append(
            f"\\begin{{tabular}}{{{'l' * grid.fixed}{'r' * (len(grid.names) - grid.fixed)}}}"
        )
        lines += ["\\toprule", _latex_row(map(_latex_text, grid.names)), "\\midrule"]
        for place, row in enumerate(grid.rows):
            if place in grid.sections:
                lines.append("\\midrule")
            lines += _latex_lines(row)
        lines += ["\\bottomrule", "\\end{tabular}"]
    lines += ["", f"% {legend(comparison)}", *(f"% {line}" for line in remarks(comparison))]
    return "\n".join(lines) + "\n"


def csv_text(comparison: Comparison) -> str:
    """Render as CSV, one line per cell.

    Fractions are unrounded; a missing number is an empty field.

    Args:
        comparison: The comparison.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ("task", "version", "data", "options", "metric", "system", "role", "baseline")
    fields = ("value", "deviation", "seeds", "difference", "low", "high", "p", "p_holm")
    writer.writerow([*head, "column", "kind", *fields])
    for table in comparison.tables:
        options = json.dumps(dict(table.options)) if table.options else ""
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if cell is not None:
                    start = [table.task, table.version, table.data, options, table.metric]
                    start += [row.system, row.role, row.baseline, column.name, column.kind]
                    writer.writerow([*start, *(getattr(cell, name) for name in fields)])
    return out.getvalue()


def json_text(comparison: Comparison) -> str:
    """Render everything as JSON.

    Fractions are unrounded; an undefined number is null.

    Args:
        comparison: The comparison.
    """
    return json.dumps(_without_nan(comparison.as_dict()), indent=2, ensure_ascii=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value


def _blocks(grid: Grid, width: int) -> Iterator[list[int]]:
    """Yield the columns of each block, so that a block fits together with the columns that name the row."""
    widths = [
        max(len(name), *(len(line) for row in grid.rows for line in row[place].lines))
        for place, name in enumerate(grid.names)
    ]
    fixed = sum(widths[: grid.fixed]) + GAP * grid.fixed
    block: list[int] = []
    used = fixed
    for place in range(grid.fixed, len(grid.names)):
        if block and used + widths[place] + GAP > width:
            yield block
            block, used = [], fixed
        block.append(place)
        used += widths[place] + GAP
    yield block


def _rich_blocks(grid: Grid, width: int) -> Iterator[RenderableType]:
    for number, block in enumerate(_blocks(grid, width)):
        if number:
            yield Text()
        yield _rich_block(grid, block)


def _rich_block(grid: Grid, block: Sequence[int]) -> RichTable:
    # The gap of the box (one column) and the padding add up to GAP.
    table = RichTable(box=HORIZONTALS, show_edge=False, padding=(0, GAP - 1, 0, 0), pad_edge=False)
    for place in range(grid.fixed):
        table.add_column(Text(printable(grid.names[place])), no_wrap=True)
    for place in block:
        table.add_column(Text(printable(grid.names[place])), justify="right", no_wrap=True)
    for number, row in enumerate(grid.rows):
        if number in grid.sections:
            table.add_section()
        table.add_row(*(_rich_cell(row[place]) for place in [*range(grid.fixed), *block]))
    return table


def _rich_cell(cell: Shown) -> Text:
    first, *rest = (printable(line) for line in cell.lines)
    styles = [COLOURS[cell.change], "dim"]
    text = Text(first, style="bold" if cell.best else "")
    for line, style in zip(rest, styles, strict=False):
        text.append("\n" + line, style="not bold " + style)
    return text


def _note(line: str) -> Padding:
    return Padding(Text(printable(line)), (0, 0, 0, 2), expand=False)


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _markdown_cell(cell: Shown) -> str:
    first, *rest = (_escaped(line) for line in cell.lines)
    return "<br>".join([f"**{first}**" if cell.best else first, *rest])


def _escaped(text: str) -> str:
    for sign in "\\|*_<":
        text = text.replace(sign, f"\\{sign}")
    return text


def _latex_lines(row: Sequence[Shown]) -> list[str]:
    """Return a row of the grid as one line for each line of its tallest cell."""
    height = max(len(cell.lines) for cell in row)
    lines = []
    for depth in range(height):
        texts = []
        for cell in row:
            text = _latex_text(cell.lines[depth]) if depth < len(cell.lines) else ""
            texts.append(f"\\textbf{{{text}}}" if cell.best and depth == 0 else text)
        lines.append(_latex_row(texts))
    return lines


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _latex_text(text: str) -> str:
    return MINUS.sub("$-$", "".join(LATEX.get(sign, sign) for sign in text))
