import csv
import io
import json
import re
from math import nan

import pytest
from rich.cells import cell_len
from rich.console import Console

from otx.runs import render
from otx.runs.table import Cell, Comparison, Guard, Row, Table, columns_of

XNLI = ["en", "ar", "bg", "de", "el", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"]


@pytest.fixture
def comparison() -> Comparison:
    """XNLI's fifteen languages, a gain, a loss and a floor; names that every format must escape."""
    columns = columns_of(tuple(XNLI), "en", frozenset({"de", "es"}), True)
    cell = Cell(0.651, 0.0123, 2, 0.021, -0.011, 0.052, 0.01, 0.123)
    loss = Cell(0.551, 0.0123, 2, -0.121, -0.152, -0.101, 0.001, 0.002)
    rows = (
        Row("untouched", "baseline", None, 0, 3, tuple(Cell(0.63, 0.004, 3) for _ in columns)),
        Row("0.5*keep_close + l2", "system", "untouched", 2, 3, tuple(cell for _ in columns)),
        Row("contrastive", "system", "untouched", 2, 3, (*(loss for _ in columns[1:]), None)),
        Row("majority", "floor", None, 0, 0, tuple(Cell(1 / 3) for _ in columns)),
    )
    table = Table(
        "xnli",
        "1",
        "a_b & c",
        {},
        "accuracy",
        True,
        True,
        columns,
        rows,
        dict.fromkeys(XNLI, 5010),
        30,
        2000,
        ("'-' in th | _all_",),
    )
    guard = Guard("l2-1", "l2", {"aer": 0.31}, {"aer": 0.38}, ("aer rose",))
    return Comparison({"untouched": ("untouched-mini",)}, (table,), (guard,), (), 0.95)


def on_terminal(comparison: Comparison, width: int, **options: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, **options)  # type: ignore[arg-type]
    console.print(render.rich_table(comparison, width))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 400])
def test_fifteen_languages_fit_any_terminal(comparison: Comparison, width: int) -> None:
    text = on_terminal(comparison, width)
    lines = text.split("\n")
    assert max(map(cell_len, lines)) <= width
    assert "…" not in text
    headers = [line.split() for line in lines if re.match(r"\s+seeds ", line)]
    shown = [name for header in headers for name in header if name in XNLI]
    assert sorted(shown) == sorted([*XNLI, "en", "en"])  # "without en" and "en change"
    systems = [line for line in lines if line.startswith("0.5*keep_close + l2")]
    assert len(systems) == len(headers)
    # Every column but the change in English, and the gap, where less is better.
    columns = len(comparison.tables[0].columns) - 2
    assert text.count("-12.1▼ p.002") == text.count("+2.1△ p.123") == columns


def test_direction_survives_without_colour(comparison: Comparison) -> None:
    plain = on_terminal(comparison, 100)
    assert "\x1b" not in plain
    assert "-12.1▼ p.002" in plain and "+2.1△ p.123" in plain
    coloured = on_terminal(comparison, 100, force_terminal=True)
    assert re.search(r"\x1b\[[\d;]*32m\s*\+2\.1△ p\.123", coloured)
    assert re.search(r"\x1b\[[\d;]*31m\s*-12\.1▼ p\.002", coloured)
    # Bold only in the gap, where less is better: nowhere else is the best surely so.
    assert len(re.findall(r"\x1b\[1m\s*55\.1±1\.2", coloured)) == 1
    assert not re.search(r"\x1b\[1m\s*65\.1", coloured)


def test_notes_guards_and_legend_stand_beneath(comparison: Comparison) -> None:
    text = on_terminal(comparison, 200)
    order = ["majority", "'-' in th", "Under each value", "31.0% → 38.0%", "l2-1: aer rose"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_markdown_rows_are_rows(comparison: Comparison) -> None:
    text = render.markdown(comparison)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in rows[:6]}
    assert bars == {len(comparison.tables[0].columns) + 3}
    assert "65.1±1.2<br>+2.1△ p.123<br>-1.1..+5.2" in text
    assert text.count("**55.1±1.2**") == text.count("**") / 2 == 1
    assert "| 0.5\\*keep\\_close + l2 |" in text
    assert "'-' in th \\| \\_all\\_" in text


def test_csv_has_a_line_a_cell(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(render.csv_text(comparison))))
    columns = comparison.tables[0].columns
    assert len(rows) == 4 * len(columns) - 1
    row = next(r for r in rows if (r["system"], r["column"]) == ("contrastive", "de"))
    assert float(row["difference"]) == -0.121
    assert float(row["p_holm"]) == 0.002
    assert (row["baseline"], row["kind"], row["seeds"]) == ("untouched", "language", "2")
    floor = next(r for r in rows if r["role"] == "floor")
    assert floor["p"] == floor["deviation"] == ""


def test_json_is_everything_and_strict(comparison: Comparison) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    first = comparison.tables[0].rows[0].cells[0]
    assert first is not None
    object.__setattr__(first, "value", nan)
    found = json.loads(render.json_text(comparison), parse_constant=refuse)
    assert found["schema"] == 1
    (table,) = found["tables"]
    assert table["rows"][0]["cells"][0]["value"] is None
    assert table["rows"][2]["cells"][-1] is None
    assert table["columns"][1]["languages"] == ["ar"]
    assert found["guards"][0]["after"] == {"aer": 0.38}
    assert found["systems"] == {"untouched": ["untouched-mini"]}


def test_latex_is_balanced_and_escaped(comparison: Comparison) -> None:
    text = render.latex(comparison)
    body = [line for line in text.split("\n") if line.endswith(r"\\")]
    columns = len(comparison.tables[0].columns) + 2
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {columns - 1}
    assert "keep\\_close" in text
    assert text.count(r"\textbf{") == text.count(r"\textbf{55.1$\pm$1.2}") == 1
    assert r"$-$12.1$\downarrow^{*}$ p.002" in text
    assert r"+2.1$\uparrow$ p.123" in text
    assert text.count("{") == text.count("}")
    begun, ended = text.count(r"\begin{tabular}"), text.count(r"\end{tabular}")
    assert begun == ended == 1
    # What is not a row, a rule or the tabular itself is a comment.
    rest = [line for line in text.split("\n") if line and line not in body]
    assert all(line.startswith(("%", "\\")) for line in rest)


def test_nothing_to_compare_needs_no_legend(comparison: Comparison) -> None:
    alone = Comparison({}, (), (), ("nothing",), 0.95)
    assert "Under each value" not in on_terminal(alone, 80)
