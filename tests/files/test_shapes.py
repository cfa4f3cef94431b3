"""Shapes of parsed values: what fits is silent, what does not is named by its path."""

from typing import Any

import pytest

from otx.errors import DataError
from otx.files.shapes import ANY, NUMBER, OPTIONAL_TEXT, check_shape

SHAPE = {
    "step": int,
    "value": NUMBER,
    "note": OPTIONAL_TEXT,
    "parts": [{"name": str}],
    "sizes?": {str: int},
    "rest?": ANY,
    "best?": (type(None), {"step": int}),
}
GOOD: dict[str, Any] = {"step": 1, "value": 0.5, "note": None, "parts": [{"name": "a"}]}


@pytest.mark.parametrize(
    "more", [{}, {"value": 2}, {"note": "x"}, {"parts": []}, {"sizes": {"a": 1}}, {"rest": True}, {"else": 1},
     {"best": None}, {"best": {"step": 1}}]
)  # fmt: skip
def test_what_fits_is_silent(more: dict[str, Any]) -> None:
    check_shape({**GOOD, **more}, SHAPE, "file")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"step": "1"}, "'step' is text, not an integer"),
        ({"step": 1.0}, "'step' is a number, not an integer"),
        ({"step": True}, "'step' is true or false, not an integer"),
        ({"value": None}, "'value' is null, not a number"),
        ({"note": 3}, "'note' is an integer, not text or null"),
        ({"parts": {}}, "'parts' is an object, not a list"),
        ({"parts": [{"name": "a"}, {}]}, "'parts[1].name' is missing"),
        ({"parts": [7]}, "'parts[0]' is an integer, not an object"),
        ({"best": {"step": "1"}}, "'best.step' is text, not an integer"),
        ({"sizes": {"a": []}}, "'sizes.a' is a list, not an integer"),
    ],
)
def test_what_does_not_is_named(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        check_shape({**GOOD, **more}, SHAPE, "file", "restore it")
    assert (caught.value.message, caught.value.remedy) == (f"file: {problem}", "restore it")


@pytest.mark.parametrize("value", [None, 3, "x", [], [1]])
def test_another_value_is_no_object(value: Any) -> None:
    with pytest.raises(DataError, match=r"file: the value is .*, not an object"):
        check_shape(value, SHAPE, "file")
