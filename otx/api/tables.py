"""Plain text tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns of equal width, two spaces apart; wide characters count as two.

    Args:
        rows: Cells as plain text, equally many in each row.

    Example:
        >>> print(text_table([["a", "1"], ["long", "22"]]))
        a     1
        long  22
    """
    if not rows:
        return ""
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )
