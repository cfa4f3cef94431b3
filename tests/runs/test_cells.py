from collections.abc import Callable
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from otx.runs.cells import SystemNumbers, adjusted, floor_row, system_row
from otx.runs.folder import RunFolder
from otx.runs.grouping import System
from otx.runs.statistics import holm
from otx.runs.table import Cell, Row, columns_of
from otx.types import Score, TaskInfo

Make = Callable[..., Any]
COLUMNS = columns_of(("en", "de", "es", "fr"), "en", frozenset({"de", "es"}), True)


def numbers(**values: float) -> dict[str, Any]:
    """Replicated numbers that are the same in every sample."""
    return {language: np.full(100, value) for language, value in values.items()}


def held(
    run: RunFolder, add_unit: Make, tasks: dict[str, TaskInfo], values: dict[str, dict[Any, float]]
) -> dict[str, dict[Any, Any]]:
    return {
        language: {
            (alignment, head): (
                run,
                add_unit(
                    run,
                    tasks["nli"],
                    language,
                    [Score("e", "c", {"hit": value, "n": 1.0})],
                    head,
                    alignment_seed=alignment,
                ),
            )
            for (alignment, head), value in by_seed.items()
        }
        for language, by_seed in values.items()
    }


def values(results: dict[str, dict[Any, Any]]) -> dict[str, dict[Any, float]]:
    """The accuracy that is stored with each result."""
    return {
        language: {seed: unit.metrics["accuracy"] for seed, (_, unit) in by_seed.items()}
        for language, by_seed in results.items()
    }


@pytest.fixture
def row(make_run: Make) -> Callable[..., dict[str, Cell | None]]:
    system = System("sinkhorn", (make_run("a"),), "untouched")

    def make(own: Any, base: Any, results: Any = None) -> dict[str, Cell | None]:
        numbers = SystemNumbers(values(results or {}), own)
        made = system_row(system, COLUMNS, numbers, SystemNumbers(replicated=base))
        return {c.name: cell for c, cell in zip(COLUMNS, made.cells, strict=True)}

    return make


def test_means_gap_and_change_are_what_they_are_called(row: Make) -> None:
    own, base = (
        numbers(en=0.8, de=0.6, es=0.7, fr=0.2),
        numbers(en=0.9, de=0.5, es=0.5, fr=0.3),
    )
    cells = row(own, base)
    expected = {
        "en": (0.8, -0.1),
        "de": (0.6, 0.1),
        "mean": (2.3 / 4, 0.1 / 4),
        "without en": (0.5, 0.2 / 3),
        "with bitext": (0.65, 0.15),
        "gap": (0.8 - 0.5, 0.3 - (0.9 - 1.3 / 3)),
    }
    for name, (value, difference) in expected.items():
        assert (cells[name].value, cells[name].difference) == pytest.approx((value, difference))
    assert cells["en change"] == Cell(pytest.approx(-0.1))


def test_a_missing_language_leaves_its_means_out(row: Make) -> None:
    cells = row(numbers(en=0.8, de=0.6, es=0.7), numbers(en=0.9, de=0.5, fr=0.3))
    assert {name for name, cell in cells.items() if cell is None} == {
        "fr",
        "mean",
        "without en",
        "gap",
    }
    compared = {name for name, cell in cells.items() if cell and cell.difference is not None}
    assert compared == {"en", "de"}
    assert row(numbers(en=0.8), {})["en change"] is None


def test_spread_is_over_alignments_heads_averaged(
    row: Make, make_run: Make, add_unit: Make, tasks: dict[str, TaskInfo]
) -> None:
    by_seed = {(1, 1): 0.5, (1, 2): 0.7, (2, 1): 0.9, (2, 2): 0.7, (3, 1): 0.4, (3, 2): 0.2}
    results = held(make_run("x"), add_unit, tasks, {"en": by_seed, "de": {**by_seed, (1, 1): 0.3}})
    own = numbers(en=0.5, de=0.5)
    cell = row(own, {}, results)["en"]
    assert (cell.deviation, cell.seeds) == (pytest.approx(stdev([0.6, 0.8, 0.3])), 3)
    single = {"en": {seed: r for seed, r in results["en"].items() if seed[0] == 1}}
    cell = row(own, {}, single)["en"]
    assert (cell.deviation, cell.seeds) == (pytest.approx(stdev([0.5, 0.7])), 2)
    only = {"en": {(1, 1): results["en"][1, 1]}}
    cell = row(own, {}, only)["en"]
    assert (cell.deviation, cell.seeds) == (None, 1)


def test_the_spread_of_a_mean_is_that_of_the_seeds_means(
    make_run: Make, add_unit: Make, tasks: dict[str, TaskInfo]
) -> None:
    columns = columns_of(("en", "de"), "en", frozenset(), True)
    scores = {"en": {(1, None): 0.2, (2, None): 0.6}, "de": {(1, None): 0.6, (2, None): 0.2}}
    run = make_run("x")
    results = held(run, add_unit, tasks, scores)
    system = System("s", (run,))
    own = SystemNumbers(values(results), numbers(en=0.4, de=0.4))
    made = system_row(system, columns, own, is_baseline=True)
    cells = {c.name: cell for c, cell in zip(columns, made.cells, strict=True)}
    assert cells["mean"].deviation == pytest.approx(0)
    assert cells["gap"].deviation == pytest.approx(stdev([-0.4, 0.4]))
    assert (made.role, made.alignments, made.heads) == ("baseline", 2, 0)


def test_a_floor_has_values_only(make_run: Make, add_unit: Make, tasks: dict[str, Any]) -> None:
    run = make_run("x")
    units = {
        language: add_unit(run, tasks["nli"], language, [Score("e", "c", {"hit": v, "n": 1.0})])
        for language, v in {"en": 0.4, "de": 0.2, "es": 0.3, "fr": 0.1}.items()
    }
    made = floor_row("majority", units, COLUMNS, "accuracy")
    assert made.role == "floor"
    *values, change = (cell and cell.value for cell in made.cells)
    # The languages; mean, without en, with bitext; gap.
    assert values == pytest.approx([0.4, 0.2, 0.3, 0.1, 0.25, 0.2, 0.25, 0.2])
    assert change is None


def test_holm_counts_every_tested_cell_of_the_table() -> None:
    ps = [[0.01, None, 0.04], [0.002, 0.5, None]]
    rows = [
        Row("s", "system", "u", 1, 0, (*tuple(Cell(0.5, p=p) for p in line), None)) for line in ps
    ]
    found = [cell.p_holm for row in adjusted(rows) for cell in row.cells if cell is not None]
    expected = iter(holm([0.01, 0.04, 0.002, 0.5]))
    wanted = [None if p is None else next(expected) for line in ps for p in line]
    assert found == wanted == [pytest.approx(0.03), None, pytest.approx(0.08), 0.008, 0.5, None]
