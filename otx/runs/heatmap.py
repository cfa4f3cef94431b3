"""A matrix between the words of two sentences, in the terminal and as a picture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from otx.errors import OTXError, UsageError

SHADES = " ░▒▓█"
LONGEST_NAME = 14
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)
"""Fonts to try in turn for a character."""
ENDINGS = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A matrix between the words of two sentences.

    Attributes:
        title: Title of the map.
        rows: Words of the rows ``[N]``.
        columns: Words of the columns ``[M]``.
        values: The matrix ``[N][M]``, from 0 to 1.
        plan: Which plan the values are.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: list[list[float]]
    plan: str = ""


def render_maps(maps: Sequence[Heatmap], width: int) -> Text:
    """Draw maps for a terminal: side by side if they fit, otherwise one below the other.

    A cell is darker the larger its value, relative to the largest of its map; the largest of each row is a number, in
    hundredths.

    Args:
        maps: The maps, which share their columns.
        width: Columns of the terminal.

    Returns:
        The plan's name if there is one, the maps, and the numbered words of the columns.

    Example:
        >>> print(render_maps([Heatmap("plan", ("a", "b"), ("x", "y"), [[0.9, 0.1], [0.2, 0.8]])], 80))
        plan
           0  1
        a 90
        b ░░ 80
        <BLANKLINE>
        0 x  1 y
    """
    blocks = [_block(one) for one in maps]
    wide = sum(max(map(cell_len, block)) for block in blocks) + 3 * (len(blocks) - 1)
    lines: list[str] = [maps[0].plan] if maps[0].plan else []
    if wide <= width:
        height = max(map(len, blocks))
        padded = [_padded(block, height) for block in blocks]
        lines += ["   ".join(parts).rstrip() for parts in zip(*padded, strict=True)]
    else:
        for block in blocks:
            lines += [*block, ""]
        lines.pop()
    names = [f"{number} {word}" for number, word in enumerate(maps[0].columns)]
    return Text("\n".join([*lines, "", *_wrapped(names, width)]))


def save_figure(maps: Sequence[Heatmap], path: Path) -> bool:
    """Draw maps side by side into a file.

    Args:
        maps: The maps.
        path: A file name that ends in .png, .svg or .pdf.

    Returns:
        True if the fonts here have every character.

    Raises:
        UsageError: For another ending, and if matplotlib is not installed.
        OTXError: If the file cannot be written.
    """
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path}: not a kind of picture", f"end its name in {', '.join(ENDINGS)}")
    try:
        from matplotlib.figure import Figure
        from matplotlib.font_manager import fontManager
    except ImportError as error:
        raise UsageError("pictures need matplotlib", 'pip install "otx[plot]"') from error
    here = {font.name for font in fontManager.ttflist}
    fonts = {"fontsize": 8, "fontfamily": [FONTS[0], *(name for name in FONTS if name in here)]}
    rows, columns = len(maps[0].rows), len(maps[0].columns)
    size = (1.2 + len(maps) * (1.0 + 0.32 * columns), 1.4 + 0.28 * rows)
    figure = Figure(figsize=size, layout="constrained")
    if maps[0].plan:
        figure.suptitle(maps[0].plan, fontsize=9)
    for axes, one in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        axes.imshow(one.values, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_title(one.title, fontsize=10)
        axes.set_xticks(range(columns), one.columns, rotation=60, ha="right", **fonts)
        axes.set_yticks(range(rows), one.rows, **fonts)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            figure.savefig(path, dpi=160)
        except OSError as error:
            raise OTXError(f"{path} cannot be written: {error.strerror}") from error
    return not any("Glyph" in str(warning.message) for warning in caught)


def _block(heatmap: Heatmap) -> list[str]:
    """Return one map as lines of equal width: its title, the columns' numbers, a line per row."""
    name_width = min(LONGEST_NAME, max(map(cell_len, heatmap.rows)))
    largest = max((max(row) for row in heatmap.values), default=0.0) or 1.0
    lines = [
        heatmap.title,
        " " * name_width + "".join(f"{n:>3}" for n in range(len(heatmap.columns))),
    ]
    for word, row in zip(heatmap.rows, heatmap.values, strict=True):
        best = row.index(max(row))
        cells = [
            f" {min(99, round(100 * value)):>2}"
            if place == best
            else f" {_shade(value / largest) * 2}"
            for place, value in enumerate(row)
        ]
        lines.append(_fitted(word, name_width) + "".join(cells))
    return _padded(lines, len(lines))


def _shade(share: float) -> str:
    return SHADES[min(len(SHADES) - 1, int(share * len(SHADES)))]


def _fitted(word: str, width: int) -> str:
    """Return the word in exactly ``width`` columns of the terminal, cut with an ellipsis."""
    while cell_len(word) > width:
        word = word.removesuffix("…")[:-1] + "…"
    return word + " " * (width - cell_len(word))


def _padded(lines: Sequence[str], height: int) -> list[str]:
    width = max(map(cell_len, lines))
    filled = [*lines, *[""] * (height - len(lines))]
    return [line + " " * (width - cell_len(line)) for line in filled]


def _wrapped(names: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for name in names:
        if lines[-1] and cell_len(lines[-1]) + 2 + cell_len(name) > width:
            lines.append("")
        lines[-1] += ("  " if lines[-1] else "") + name
    return lines
