"""docs/objectives.md is up to date with the objectives' docstrings."""

from scripts.write_objectives import PAGE, SECTIONS, _markdown, page, sections


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python scripts/write_objectives.py"


def test_every_formula_is_fenced_and_every_objective_is_there() -> None:
    text = page()
    assert text.count("```") % 2 == 0
    assert "\n::" not in text and "``layer``" not in text
    for name in ("sinkhorn", "l2", "keep-close"):
        assert f"\n## {name}\n" in text and f"(#{name})" in text


DOCSTRING = """Pull translations together.

    Minimises:
        The mean over pairs::

            loss = 1/B sum_b  ||x_b - y_b||^2

    Args:
        options: The options.

    Inputs:
        ``pair.source`` ``[B, T, D]``.

    Scope:
        Mean over pairs.

    Relation to others:
        Scope: no heading, since text follows on its line.

    When not to use it:
        Alone.

    Example:
        >>> 1 + 1
        2

    References:
        Nobody (2026). https://example.org
    """


def test_the_sections_of_a_docstring_are_read_in_their_order() -> None:
    parts = sections(DOCSTRING)
    assert [heading for heading, _ in parts] == [None, *SECTIONS]
    texts = dict(parts)
    assert _markdown(texts["Minimises"]) == (
        "The mean over pairs:\n\n```\nloss = 1/B sum_b  ||x_b - y_b||^2\n```"
    )
    assert _markdown(texts["Example"]) == "```python\n>>> 1 + 1\n2\n```"
    assert texts["Relation to others"].startswith("Scope: no heading")
    assert _markdown(texts["Inputs"]) == "`pair.source` `[B, T, D]`."


def test_a_docstring_without_headings_is_one_part() -> None:
    assert sections("Pull.\n\n    More.\n") == [(None, "Pull.\n\nMore.")]
