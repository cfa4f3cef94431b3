"""What an options class may hold, checked when it is registered."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from otx.errors import PluginError
from otx.plugin_host.option_checks import check_options


class Colour(enum.Enum):
    RED = "red"


def with_field(kind: Any, default: Any = dataclasses.MISSING, factory: Any = None) -> type[Any]:
    if factory is not None:
        given: tuple[Any, ...] = ("where", kind, field(default_factory=factory))
    else:
        given = (
            ("where", kind)
            if default is dataclasses.MISSING
            else ("where", kind, field(default=default))
        )
    return make_dataclass("Faulty", [given], frozen=True)


def refused(kind: type[Any]) -> str:
    with pytest.raises(PluginError) as caught:
        check_options(kind)
    return caught.value.message


ALLOWED = [
    (bool, False),
    (int, 3),
    (float, 0.5),
    (float, 1),
    (str, "."),
    (str | None, None),
    (Optional[str], "x"),  # noqa: UP045 (what older code writes)
    (int | float, 0.5),
    (Literal["a", 1, True], 1),
    (Literal["a"] | None, None),
    (tuple[int, ...], (1, 2)),
    (tuple[str, ...] | None, ()),
    (str | tuple[str, ...], "one"),
]


@pytest.mark.parametrize(("kind", "default"), ALLOWED, ids=[str(kind) for kind, _ in ALLOWED])
def test_documented_types_are_allowed(kind: Any, default: Any) -> None:
    check_options(with_field(kind, default))


def test_a_table_is_allowed() -> None:
    check_options(with_field(dict[str, float], factory=lambda: {"a": 1.0}))


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        (Path, Path(".")),
        (Path | None, None),
        (tuple[Path, ...], ()),
        (Colour, Colour.RED),
        (Literal[Colour.RED], Colour.RED),
        (Literal["a", None], None),
        (bytes, b""),
        (complex, 1j),
        (object, None),
        (Any, 1),
        (tuple, ()),
        (tuple[int, int], (1, 2)),
        (tuple[()], ()),
        (Mapping[str, int], None),
        (type(None), None),
    ],
)
def test_other_types_are_refused_by_name(kind: Any, default: Any) -> None:
    message = refused(with_field(kind, default))
    assert "Faulty" in message and "'where'" in message and "is not allowed" in message


@pytest.mark.parametrize("kind", [list, list[int], dict, dict[int, str], set[str]])
def test_mutable_types_are_refused_by_name(kind: Any) -> None:
    assert "'where'" in refused(with_field(kind, factory=kind))


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        (float, "fast"),
        (float, None),
        (float, math.inf),
        (float, math.nan),
        (int, 1.0),
        (int, True),
        (bool, 1),
        (str, Path(".")),
        (str, None),
        (str | None, "none"),
        (Literal["a", "b"], "c"),
        (tuple[int, ...], 1),
        (tuple[int, ...], ("a",)),
    ],
)
def test_a_default_of_another_type_is_refused(kind: Any, default: Any) -> None:
    message = refused(with_field(kind, default))
    assert "'where'" in message and "default" in message


def test_a_field_without_a_default_is_refused() -> None:
    assert "'where'" in refused(with_field(int)) and "no default" in refused(with_field(int))


def fail() -> Any:
    raise ZeroDivisionError("oops")


def test_a_default_that_cannot_be_made_is_refused() -> None:
    assert "ZeroDivisionError: oops" in refused(with_field(dict[str, int], factory=fail))


def test_an_instance_must_be_possible() -> None:
    @dataclass(frozen=True)
    class Raises:
        size: int = 0

        def __post_init__(self) -> None:
            fail()

    @dataclass(frozen=True)
    class Replaces:
        where: str = "."

        def __post_init__(self) -> None:
            object.__setattr__(self, "where", Path(self.where))

    assert "Raises" in refused(Raises) and "ZeroDivisionError: oops" in refused(Raises)
    assert "'where'" in refused(Replaces)


def test_a_field_that_no_table_can_set_is_refused() -> None:
    @dataclass(frozen=True)
    class Computed:
        size: int = field(default=1, init=False)

    assert "'size'" in refused(Computed)


def test_annotations_and_docstrings_must_be_readable() -> None:
    unknown = make_dataclass("Unknown", [("size", "Nowhere", field(default=1))], frozen=True)
    assert "Nowhere" in refused(unknown)
    numbered = make_dataclass("Numbered", [("size", int, field(default=1))], frozen=True)
    numbered.__doc__ = 3  # type: ignore[assignment]
    assert "Numbered" in refused(numbered)
