"""docs/objectives.md is what the objectives say of themselves today."""

from scripts.write_objectives import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python scripts/write_objectives.py"


def test_every_formula_is_fenced_and_every_objective_is_there() -> None:
    text = page()
    assert text.count("```") % 2 == 0
    assert "\n::" not in text and "``layer``" not in text
    for name in ("sinkhorn", "l2", "keep-close"):
        assert f"\n## {name}\n" in text and f"(#{name})" in text
