from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from otx.errors import UsageError
from otx.runs.heatmap import Heatmap, render_maps, save_figure

PAIR = Heatmap(
    "plan", ("猫", "schläft", "x" * 30), ("The", "cat"), [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]
)


def test_a_map_reads_row_by_row() -> None:
    assert render_maps([PAIR], 80).plain.split("\n") == [
        "plan",
        "                0  1",
        "猫             90",
        "schläft        ░ ░ 80".replace("░ ░", "░░"),
        "xxxxxxxxxxxxx… 50 ▒▒",
        "",
        "0 The  1 cat",
    ]


def test_maps_stand_side_by_side_where_there_is_room() -> None:
    beside = render_maps([PAIR, PAIR], 80).plain.split("\n")
    assert len(beside) == 7 and beside[0].split() == ["plan", "plan"]
    below = render_maps([PAIR, PAIR], 30).plain.split("\n")
    assert len(below) == 13


words = st.lists(
    st.text(st.characters(categories=("L",)), min_size=1, max_size=20), min_size=1, max_size=6
)


@given(words, words, st.data())
def test_every_line_of_a_map_is_equally_wide(
    rows: list[str], columns: list[str], data: st.DataObject
) -> None:
    values = [[data.draw(st.floats(0, 1)) for _ in columns] for _ in rows]
    lines = render_maps([Heatmap("t", tuple(rows), tuple(columns), values)], 200).plain.split("\n")
    grid = lines[1 : 2 + len(rows)]
    assert len({cell_len(line.ljust(0)) for line in grid[:1]}) == 1
    widths = {cell_len(line) for line in grid}
    assert max(widths) - min(widths) <= 3 * len(columns)
    for row, line in zip(values, grid[1:], strict=True):
        assert f"{min(99, round(100 * max(row)))}" in line


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_drawn(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    path = tmp_path / f"x.{ending}"
    latin = Heatmap("plan", ("Katze", "schläft"), ("The", "cat"), [[0.9, 0.1], [0.2, 0.8]])
    assert save_figure([latin, latin], path)
    assert path.stat().st_size > 1000
    if ending == "svg":
        assert "<svg" in path.read_text()


def test_a_character_that_no_font_has_is_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    cuneiform = Heatmap("plan", ("\U00012000",), ("a",), [[1.0]])
    assert not save_figure([cuneiform], tmp_path / "x.png")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a kind of picture"):
        save_figure([PAIR], tmp_path / "x.txt")
