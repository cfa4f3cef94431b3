from dataclasses import replace
from math import nan

import pytest

from otx.runs.layout import Shown, guard_grid, legend, number, probability, remarks, table_grid
from otx.runs.table import Cell, Column, Comparison, Guard, Row, Table


def table(*rows: Row, better: int = 1, percent: bool = True) -> Table:
    columns = (Column("de", "language", ("de",), better),)
    examples = {"de": 1000}
    return Table(
        "nli",
        "1",
        None,
        {},
        "acc",
        percent,
        better > 0,
        columns,
        rows,
        examples,
        1,
        2000,
        (),
    )


def row(name: str, cell: Cell | None, role: str = "system", baseline: str | None = None) -> Row:
    return Row(name, role, baseline, 2, 3, (cell,))  # type: ignore[arg-type]


def shown(cell: Cell, better: int = 1) -> Shown:
    return table_grid(table(row("s", cell), better=better)).rows[0][2]


GAIN = Cell(0.641, 0.0042, 2, 0.031, 0.012, 0.05, 0.001, 0.012)


def test_a_cell_says_value_difference_and_interval() -> None:
    assert shown(GAIN).lines == ("64.1±0.4", "+3.1▲ p.012", "+1.2..+5.0")
    assert shown(GAIN).change == "gain"


@pytest.mark.parametrize(
    ("difference", "p", "better", "mark", "change"),
    [
        (0.031, 0.012, 1, "+3.1▲", "gain"),
        (-0.031, 0.012, 1, "-3.1▼", "loss"),
        (0.031, 0.05, 1, "+3.1△", "gain"),
        (-0.031, 0.5, 1, "-3.1▽", "loss"),
        (-0.031, 0.012, -1, "-3.1▲", "gain"),
        (0.031, 0.012, -1, "+3.1▼", "loss"),
        (0.0, 1.0, 1, "0.0", None),
        (-0.0004, 0.9, 1, "0.0", None),
    ],
)
def test_losses_are_marked_as_plainly_as_gains(
    difference: float, p: float, better: int, mark: str, change: str | None
) -> None:
    cell = replace(GAIN, difference=difference, p_holm=p)
    found = shown(cell, better)
    assert found.lines[1].split()[0] == mark
    assert found.change == change


def test_what_is_not_there_is_not_shown() -> None:
    assert shown(Cell(0.5)).lines == ("50.0",)
    assert shown(Cell(0.5, None, 1, 0.1)).lines == ("50.0", "+10.0△")
    assert shown(Cell(nan)).lines == ("nan",)
    grid = table_grid(table(row("s", None)))
    assert grid.rows[0][2].lines == ("-",)


SURE, UNSURE = 0.01, 0.2


@pytest.mark.parametrize("better", [1, -1])
@pytest.mark.parametrize(
    ("differences", "bold"),
    [
        # A gain that is sure, ties as they are shown, and floors never.
        ([(0.1, SURE), (0.1004, SURE)], [False, True, True]),
        ([(0.1, SURE), (0.1004, UNSURE)], [False, True, False]),
        ([(0.1, UNSURE), (0.05, SURE)], [False, False, False]),
        ([(0.1, SURE), (0.05, SURE)], [False, True, False]),
        # The baseline, where everything else is surely worse.
        ([(-0.1, SURE), (-0.2, SURE)], [True, False, False]),
        ([(-0.1, SURE), (-0.2, UNSURE)], [False, False, False]),
    ],
)
def test_bold_is_the_best_that_is_surely_so(
    better: int, differences: list[tuple[float, float]], bold: list[bool]
) -> None:
    base = row("u", Cell(0.5), "baseline")
    rows = [
        row(
            str(number),
            Cell(0.5 + better * gain, difference=better * gain, low=0.0, high=1.0, p_holm=p),
            baseline="u",
        )
        for number, (gain, p) in enumerate(differences)
    ]
    floors = [row("floor", Cell(value), "floor") for value in (0.1, 0.9)]
    grid = table_grid(table(base, *rows, *floors, better=better))
    assert [cells[2].best for cells in grid.rows] == [*bold, False, False]


def test_without_a_comparison_nothing_is_bold() -> None:
    grid = table_grid(table(row("s", Cell(0.5)), row("t", Cell(0.6))))
    assert [cells[2].best for cells in grid.rows] == [False, False]


def test_sections_begin_at_baselines_and_floors() -> None:
    rows = [
        row("u", Cell(0.5), "baseline"),
        row("s", Cell(0.5), "system", "u"),
        row("v", Cell(0.5), "baseline"),
        row("t", Cell(0.5), "system", "v"),
        row("f", Cell(0.5), "floor"),
        row("g", Cell(0.5), "floor"),
    ]
    assert table_grid(table(*rows)).sections == (2, 4)


@pytest.mark.parametrize(
    ("alignments", "heads", "text"),
    [
        (2, 3, "2 alignments x 3 heads"),
        (1, 1, "1 alignment x 1 head"),
        (2, 0, "2 alignments"),
        (0, 3, "3 heads"),
        (0, 0, ""),
    ],
)
def test_seeds_are_counted(alignments: int, heads: int, text: str) -> None:
    made = replace(row("s", Cell(0.5)), alignments=alignments, heads=heads)
    assert table_grid(table(made)).rows[0][1].lines == (text,)


def test_the_heading_says_what_and_of_what() -> None:
    plain = table(row("s", Cell(0.5)))
    assert table_grid(plain).heading == "nli · acc in % · 1,000 examples"
    full = replace(
        plain,
        data="xnli",
        options={"split": "dev"},
        percent=False,
        higher_is_better=False,
        examples={"de": 1000, "en": 5010},
    )
    expected = "nli · xnli · split=dev · acc, less is better · 1,000 to 5,010 examples each"
    assert table_grid(full).heading == expected


def test_numbers_and_probabilities() -> None:
    assert [number(x, True) for x in (0.1234, -0.00001, nan, 1.0)] == [
        "12.3",
        "0.0",
        "nan",
        "100.0",
    ]
    assert [number(x, False, signed=True) for x in (0.12, -0.12)] == ["+0.120", "-0.120"]
    texts = [probability(p) for p in (0.0004, 0.001, 0.0496, 0.25, 0.9996, 1.0)]
    assert texts == ["<.001", ".001", ".050", ".250", "1.00", "1.00"]


def test_guards_and_remarks() -> None:
    guard = Guard(
        "s1",
        "sinkhorn",
        {"aer": 0.31, "retrieval.de": 0.5, "effective_rank": 88.25},
        {"aer": 0.38, "effective_rank": 80.0},
        ("the loss fell, but word-alignment error rose from 0.310 to 0.380",),
        {"de": 414},
        {"aer": "at its ceiling: cannot show a gain"},
    )
    runs = {"untouched": ("untouched-mini-0123",), "s1": ("s1",), "sinkhorn": ("a", "b")}
    found = Comparison(runs, (), (guard,), ("a note",), 0.95)
    grid = guard_grid(found)
    assert grid.names == ("", "aer", "effective rank")
    texts = [cell.lines[0] for cell in grid.rows[0]]
    assert texts == ["s1", "31.0% → 38.0%", "88.2 → 80.0"]
    assert grid.rows[0][1].lines[1:] == ("at its ceiling: cannot show a gain",)
    assert remarks(found) == [
        "s1: the loss fell, but word-alignment error rose from 0.310 to 0.380",
        "a note",
        "untouched: run untouched-mini-0123",
        "sinkhorn: runs a, b",
    ]
    assert "95% interval" in legend(found)


def test_retrieval_among_different_numbers_of_candidates_is_said_not_to_compare() -> None:
    old = Guard("old", "l2", {"retrieval": 0.5}, {"retrieval": 0.6}, ())
    new = replace(old, run="new", candidates={"de": 414, "es": 414})
    none = Guard("none", "l2", {"aer": 0.5}, {"aer": 0.6}, ())
    assert remarks(Comparison({}, (), (new, new, none), (), 0.95)) == []
    assert remarks(Comparison({}, (), (old, new, none), (), 0.95)) == [
        "old: held-out retrieval searches held-out pairs only",
        "new: held-out retrieval searches 414 candidates",
    ]
