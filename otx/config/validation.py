"""Conversion of a TOML table into a frozen dataclass, with checks of keys, types and ranges."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen

from otx.did_you_mean import remedy
from otx.errors import PluginError, UsageError
from otx.printable import shorten

T = TypeVar("T")

LARGEST = 2**63 - 1
"""Largest whole number of an option: that of torch and numpy."""

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_FIELD_DOC = re.compile(r"^(\w+): (.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:[ \t]+\S.*\n?|\n(?=[ \t]))+)", re.MULTILINE)


class SettingError(UsageError):
    """A value that a dataclass refuses.

    Args:
        field: Name of the field.
        message: What the value must be, to follow the field's name.
        remedy: What to do.
    """

    def __init__(self, field: str, message: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy)
        self.field = field


class Constrained:
    """Base of dataclasses whose fields declare their range: ``lr: Annotated[float, Gt(0)] = 1e-4``.

    The constraints are those of ``annotated_types``: ``Gt``, ``Ge``, ``Lt``, ``Le``, ``Interval`` and ``MinLen``.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        """Raise SettingError for the first field that is out of its range."""
        check_constraints(self)


class Unfit(Exception):
    """A value of a wrong type; the argument describes the right one."""


def fill(
    kind: type[T],
    table: Mapping[str, Any],
    section: str,
    origin: Callable[[str], str] = lambda dotted: "settings",
) -> T:
    """Return an instance of a dataclass with the values of a table.

    Args:
        kind: The dataclass; a field without a key has its default.
        table: Values by key, as TOML gives them.
        section: Name of the table, for messages.
        origin: Returns the origin of a dotted key, for messages.

    Raises:
        UsageError: For an unknown key (with the nearest known one), a value of a wrong type, and one that ``kind``
            refuses.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options(Constrained):
        ...     epsilon: Annotated[float, Gt(0)] = 0.1
        >>> fill(Options, {"epsilon": 1}, "sinkhorn")
        Options(epsilon=1.0)
    """
    types = field_types(kind) if table else {}
    values = {}
    for key, value in table.items():
        dotted = f"{section}.{key}"
        if key not in types:
            known = {f"{section}.{name}" for name in types}
            raise UsageError(f"{origin(dotted)}: unknown setting '{dotted}'", remedy(dotted, known))
        try:
            values[key] = convert(value, types[key])
        except Unfit as error:
            raise UsageError(
                f"{origin(dotted)}: {dotted} must be {error}, not {shorten(repr(value))}"
            ) from None
    try:
        instance = kind(**values)
        check_constraints(instance)
        return instance
    except SettingError as error:
        dotted = f"{section}.{error.field}"
        message = f"{origin(dotted)}: {dotted} {error.message}"
        raise UsageError(message, error.remedy) from error
    except UsageError as error:
        raise UsageError(f"[{section}]: {error.message}", error.remedy) from error


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Return the type of every field of a dataclass, by name.

    Args:
        kind: The dataclass.

    Raises:
        PluginError: If a type cannot be resolved.
    """
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise PluginError(
            f"options {kind.__qualname__}: {error}", "import the type at run time"
        ) from error
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def check_constraints(instance: Any) -> None:
    """Check every field of a dataclass against the constraints that its type declares.

    Args:
        instance: A dataclass whose fields may be ``Annotated`` with constraints of ``annotated_types``.

    Raises:
        SettingError: For the first value out of range, naming the field and its range.
    """
    kind: Any = type(instance)
    for name, hint in _constrained_fields(kind).items():
        value = getattr(instance, name)
        bounds = _broken(value, hint)
        if bounds is not None:
            shown = list(value) if isinstance(value, tuple) else value
            raise SettingError(name, f"must be {bounds}, not {_written(shown)}")


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else shorten(repr(value))


@functools.cache
def _constrained_fields(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(kind)
        if "Annotated" in repr(hints[field.name])
    }


def _broken(value: Any, hint: Any) -> str | None:
    """Return the range that a value breaks, in words; None for a value in range."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        base, *constraints = arguments
        return _bounds(constraints) if not _holds(value, constraints) else _broken(value, base)
    if origin in (Union, UnionType):
        if value is None:
            return None
        broken = [_broken(value, choice) for choice in arguments if choice is not NoneType]
        return None if None in broken else broken[0]
    if origin is tuple:
        items = (_broken(item, arguments[0]) for item in value)
        bounds = next((bounds for bounds in items if bounds is not None), None)
        return bounds and f"numbers {bounds}"
    return None


def _flat(constraints: Sequence[Any]) -> list[Any]:
    return [
        single
        for constraint in constraints
        for single in (constraint if isinstance(constraint, Interval) else (constraint,))
    ]


def _holds(value: Any, constraints: Sequence[Any]) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    checks: dict[type[Any], Callable[[Any], bool]] = {
        Gt: lambda bound: value > bound.gt,
        Ge: lambda bound: value >= bound.ge,
        Lt: lambda bound: value < bound.lt,
        Le: lambda bound: value <= bound.le,
        MinLen: lambda bound: len(value) >= bound.min_length,
    }
    return all(checks[type(bound)](bound) for bound in _flat(constraints) if type(bound) in checks)


def _bounds(constraints: Sequence[Any]) -> str:
    flat = {type(bound): bound for bound in _flat(constraints)}
    if Ge in flat and Le in flat:
        return f"from {flat[Ge].ge} to {flat[Le].le}"
    words = {
        Gt: lambda bound: f"above {bound.gt}",
        Ge: lambda bound: f"at least {bound.ge}",
        Lt: lambda bound: f"below {bound.lt}",
        Le: lambda bound: f"at most {bound.le}",
        MinLen: lambda bound: f"at least {bound.min_length} long",
    }
    return " and ".join(words[kind](flat[kind]) for kind in words if kind in flat)


def field_docs(kind: type[Any]) -> dict[str, str]:
    """Return the description of each field from the docstrings of a dataclass and its bases.

    A description is a line ``name: text``, under ``Attributes:`` if there is such a section, and the indented lines
    after it.

    Args:
        kind: The dataclass.

    Returns:
        Descriptions by field; fields without one are left out.

    Example:
        >>> @dataclasses.dataclass
        ... class Options:
        ...     '''Attributes:
        ...         rate: Learning rate.
        ...     '''
        ...     rate: float = 1.0
        >>> field_docs(Options)
        {'rate': 'Learning rate.'}
    """
    docs: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        text = inspect.cleandoc(owner.__doc__ or "")
        if section := _ATTRIBUTES.search(text):
            text = inspect.cleandoc(section[1])
        docs |= {name: " ".join(doc.split()) for name, doc in _FIELD_DOC.findall(text)}
    return {f.name: docs[f.name] for f in dataclasses.fields(kind) if f.name in docs}


def convert(value: Any, kind: Any) -> Any:
    """Return a TOML value as a value of a type.

    Args:
        value: The value.
        kind: A type of a field: see ``otx.plugin_host.option_checks``.

    Raises:
        Unfit: If the value does not have the type.

    Example:
        >>> convert(["a"], tuple[str, ...])
        ('a',)
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _convert_union(value, arguments)
    if origin is Literal:
        for choice in arguments:
            if value == choice and type(value) is type(choice):
                return choice
        raise Unfit(f"one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        # A single value is a list of one: --set align.objective=l2.
        items = value if isinstance(value, list | tuple) else [value]
        try:
            return tuple(convert(item, arguments[0]) for item in items)
        except Unfit as error:
            raise Unfit(f"a list, each {error}") from None
    if origin is dict:
        if not isinstance(value, Mapping):
            raise Unfit("a table")
        return {str(key): convert(item, arguments[1]) for key, item in value.items()}
    if type(value) is int and kind in (int, float) and abs(value) > LARGEST:
        raise Unfit(f"{_WORDS[kind]} of at most 64 bits")
    if kind is float and type(value) is int:
        return float(value)
    if kind in _WORDS and type(value) is kind:
        return value
    raise Unfit(_WORDS.get(kind, str(kind)))


def _convert_union(value: Any, choices: tuple[Any, ...]) -> Any:
    # TOML has no null: "none" undoes what a file or a recipe has set.
    if NoneType in choices and (value is None or value == "none"):
        return None
    reasons = []
    for choice in choices:
        if choice is not NoneType:
            try:
                return convert(value, choice)
            except Unfit as error:
                reasons.append(str(error))
    raise Unfit(" or ".join([*reasons, "none"] if NoneType in choices else reasons))
