"""Tables of the Python API, as text and as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from otx.api.html import html_table
from otx.api.tables import text_table

# What html.parser gives back unchanged: no control characters, which HTML has no place for.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


class Cells(HTMLParser):
    """Collects the texts of a table's cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_every_text_comes_back_from_the_html(rows: list[tuple[str, str]]) -> None:
    parser = Cells()
    parser.feed(html_table("t", [], rows))
    parser.close()
    assert parser.texts == [cell for row in rows for cell in row]
    assert parser.tags <= {"div", "p", "b", "table", "tbody", "tr", "th", "td"}


def test_no_text_becomes_markup() -> None:
    html = html_table("<script>", ["<b>"], [["<img src=x>", "&amp;"]], ["</div>"])
    assert "<script>" not in html and "<img" not in html and "&lt;img src=x&gt;" in html
    assert "&amp;amp;" in html and html.count("</div>") == 1


def test_wide_characters_count_as_two_columns() -> None:
    lines = text_table([["中文", "1"], ["ab", "2"]]).split("\n")
    assert [cell_len(line) for line in lines] == [7, 7]


def test_no_rows_are_no_text() -> None:
    assert text_table([]) == ""
