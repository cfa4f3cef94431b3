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
"""Fonts that are tried in turn for a character."""
ENDINGS = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Heatmap:
    """``values [N][M]`` from 0 to 1 between ``rows [N]`` and ``columns [M]``."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: list[list[float]]


def in_terminal(maps: Sequence[Heatmap], width: int) -> Text:
    """The maps side by side where they fit into ``width``, else one under the other; then the columns' words by number.

    A cell is darker the larger its value, against the largest of its map; the largest of each row is marked with its
    value in hundredths.
    """
    blocks = [_block(own) for own in maps]
    wide = sum(max(map(cell_len, block)) for block in blocks) + 3 * (len(blocks) - 1)
    lines: list[str] = []
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
    """Draw the maps side by side into a PNG, SVG or PDF; says whether the fonts here have every character.

    Raises UsageError for another ending and where matplotlib is not installed, OTXError where it cannot be written.
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
    for axes, own in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        axes.imshow(own.values, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_title(own.title, fontsize=10)
        axes.set_xticks(range(columns), own.columns, rotation=60, ha="right", **fonts)
        axes.set_yticks(range(rows), own.rows, **fonts)
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


def _block(own: Heatmap) -> list[str]:
    """One map as lines of equal width: its title, the columns' numbers, a line a row."""
    name_width = min(LONGEST_NAME, max(map(cell_len, own.rows)))
    largest = max((max(row) for row in own.values), default=0.0) or 1.0
    lines = [own.title, " " * name_width + "".join(f"{n:>3}" for n in range(len(own.columns)))]
    for word, row in zip(own.rows, own.values, strict=True):
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
    """The word in exactly ``width`` columns of the terminal, cut with an ellipsis."""
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
