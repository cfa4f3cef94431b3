"""Small HTML tables for notebooks; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Rows = Sequence[Sequence[str]]


def html_table(title: str, header: Sequence[str], rows: Rows, notes: Sequence[str] = ()) -> str:
    """Return a titled table as HTML.

    Args:
        title: Caption above the table.
        header: Names of the columns; empty for a table of names and values.
        rows: Cells as plain text.
        notes: Lines below the table.

    Returns:
        One ``<div>`` without styles or scripts of its own.

    Example:
        >>> html_table("t", [], [["loss", "1 < 2"]])
        '<div><p><b>t</b></p><table><tbody><tr><th scope="row">loss</th><td>1 &lt; 2</td></tr></tbody></table></div>'
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if number == 0 else f"<td>{escape(cell)}</td>"
            for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    thead = f"<thead><tr>{head}</tr></thead>" if header else ""
    return f"<div><p><b>{escape(title)}</b></p><table>{thead}<tbody>{body}</tbody></table>{below}</div>"
