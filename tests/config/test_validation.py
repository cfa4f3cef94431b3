from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from otx.config.validation import SettingError, field_docs, fill
from otx.errors import UsageError


@dataclass(frozen=True)
class Base:
    """What both have.

    layer: hidden layer, counted from
        the end.
    """

    layer: int = -1


@dataclass(frozen=True)
class Options(Base):
    """Everything a table can hold.

    layer: hidden layer (-1 = last).
    rate: how fast.
    nothing: no field of this name.
    """

    rate: float = 0.5
    flag: bool = False
    name: str | None = None
    limit: int | None = None
    mode: Literal["fast", "slow"] = "fast"
    base: Literal[0, 1] = 0
    seeds: tuple[int, ...] = (1,)
    words: tuple[str, ...] = ()
    owners: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise SettingError("rate", f"must be above 0, not {self.rate}")
        if self.flag and self.mode == "slow":
            raise UsageError("flag and slow do not go together", "drop one")


def filled(**table: Any) -> Options:
    return fill(Options, table, "mine", lambda dotted: f"otx.toml:7 [{dotted}]")


def test_nothing_said_is_the_default() -> None:
    assert filled() == Options()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rate", 2, 2.0),
        ("flag", True, True),
        ("name", "x", "x"),
        ("name", "none", None),
        ("limit", 5, 5),
        ("limit", "none", None),
        ("limit", None, None),
        ("mode", "slow", "slow"),
        ("base", 1, 1),
        ("seeds", [1, 2], (1, 2)),
        ("seeds", 3, (3,)),
        ("words", "one", ("one",)),
        ("words", ["a,b", "c"], ("a,b", "c")),
        ("owners", {"pull": "alpha"}, {"pull": "alpha"}),
    ],
)
def test_values_of_the_right_type_are_taken(key: str, value: Any, expected: Any) -> None:
    got = getattr(filled(**{key: value}), key)
    assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("layer", 1.5, "a whole number"),
        ("layer", True, "a whole number"),
        ("layer", "1", "a whole number"),
        ("rate", "fast", "a number"),
        ("rate", True, "a number"),
        ("flag", 1, "true or false"),
        ("flag", "yes", "true or false"),
        ("name", 3, "text or none"),
        ("mode", "medium", "one of fast, slow"),
        ("base", True, "one of 0, 1"),
        ("seeds", [1, "a"], "a list, each a whole number"),
        ("owners", ["a"], "a table"),
    ],
)
def test_values_of_a_wrong_type_are_refused_in_words(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        filled(**{key: value})
    message = f"otx.toml:7 [mine.{key}]: mine.{key} must be {wanted}, not {value!r}"
    assert caught.value.message == message


def test_an_unknown_key_names_its_place_and_its_neighbour() -> None:
    with pytest.raises(UsageError) as caught:
        filled(ratte=1)
    assert caught.value.message == "otx.toml:7 [mine.ratte]: unknown setting 'mine.ratte'"
    assert caught.value.remedy == "did you mean 'mine.rate'?"


def test_what_the_options_themselves_refuse_names_key_and_place() -> None:
    with pytest.raises(UsageError) as caught:
        filled(rate=-1)
    assert caught.value.message == "otx.toml:7 [mine.rate]: mine.rate must be above 0, not -1.0"
    with pytest.raises(UsageError) as caught:
        filled(flag=True, mode="slow")
    assert caught.value.message == "[mine]: flag and slow do not go together"
    assert caught.value.remedy == "drop one"


def test_a_docstring_says_what_each_field_is() -> None:
    assert field_docs(Base) == {"layer": "hidden layer, counted from the end."}
    assert field_docs(Options) == {"layer": "hidden layer (-1 = last).", "rate": "how fast."}


def test_a_field_keeps_what_its_own_class_says_of_it() -> None:
    @dataclass(frozen=True)
    class Heir(Options):
        """Says nothing of what it inherits.

        pace: steps a second.
        """

        pace: int = 1

    assert field_docs(Heir) == {**field_docs(Options), "pace": "steps a second."}
