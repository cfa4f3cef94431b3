"""Check an options class when it is registered or first imported, so that a fault fails only the plugin that brings it.

Options are a frozen dataclass in which every field has a default and one of these types:

- ``bool``, ``int``, ``float`` (finite) or ``str``;
- ``Literal`` of texts, whole numbers and booleans;
- ``tuple[T, ...]`` and ``dict[str, T]`` of allowed types;
- ``T | None`` and other unions of allowed types.

A path is a ``str`` or ``str | None``. A default must have exactly the type of its field, except that ``float`` also
accepts a whole number.
"""

from __future__ import annotations

import dataclasses
import json
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from otx.config.roles import role
from otx.config.validation import convert, field_docs, field_types
from otx.errors import PluginError
from otx.printable import error_text, quote

ALLOWED = (
    "use bool, int, float, str, Literal, tuple[T, ...], dict[str, T], or a union of these or None"
)
SCALARS = (bool, int, float, str)
CHOICES = (bool, int, str)


def check_options(kind: type[Any]) -> None:
    """Refuse an options class that some command could not read, show or record.

    Args:
        kind: The class that a plugin registers as the options of one of its names.

    Raises:
        PluginError: If it is not a frozen dataclass; a field has an unknown role, a type that is not allowed or no
            default; a default does not fit its type; or an instance cannot be made from the defaults. The message names
            the class and the field.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     rate: float = 0.5
        >>> check_options(Options)
    """
    if not _is_frozen(kind):
        raise PluginError(f"options {_name(kind)} are not a frozen dataclass")
    try:
        types = field_types(kind)
        field_docs(kind)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"options {_name(kind)} cannot be read: {error_text(error)}") from error
    for field in dataclasses.fields(kind):
        role(field)
        _check_field(f"options {_name(kind)}, field '{field.name}'", field, types[field.name])
    _check_instance(kind)


def _check_field(place: str, field: dataclasses.Field[Any], kind: Any) -> None:
    if not field.init:
        raise PluginError(f"{place}: a table cannot set it", "leave init=False out")
    if not _is_allowed(kind):
        raise PluginError(f"{place}: type {_name(kind)} is not allowed", ALLOWED)
    default = _default(place, field)
    if not _fits(default, kind):
        raise PluginError(
            f"{place}: default {quote(repr(default))} does not have its type, {_name(kind)}",
            "None needs a type with | None, and a list is written as a tuple",
        )


def _default(place: str, field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is dataclasses.MISSING:
        raise PluginError(f"{place}: it has no default", "give every field a default")
    try:
        return field.default_factory()
    except Exception as error:
        raise PluginError(f"{place}: its default cannot be made: {error_text(error)}") from error


def _is_allowed(kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return all(choice is NoneType or _is_allowed(choice) for choice in arguments)
    if origin is Literal:
        return all(type(choice) in CHOICES for choice in arguments)
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis and _is_allowed(arguments[0])
    if origin is dict:
        return arguments[0] is str and _is_allowed(arguments[1])
    return kind in SCALARS


def _fits(default: Any, kind: Any) -> bool:
    """Return True if a table could give the default, and JSON could hold it."""
    try:
        return bool(convert(default, kind) == default) and _is_json(default)
    except Exception:
        # A default of any class may raise anything when it is compared.
        return False


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _check_instance(kind: type[Any]) -> None:
    """Make an instance from the defaults: a fault in ``__post_init__`` would otherwise reach every command."""
    try:
        values = dataclasses.asdict(kind())
    except Exception as error:
        raise PluginError(
            f"options {_name(kind)} cannot be made from their defaults: {error_text(error)}",
            "check __init__ and __post_init__",
        ) from error
    for name, value in values.items():
        if not _is_json(value):
            raise PluginError(
                f"options {_name(kind)}, field '{name}': an instance holds {quote(repr(value))}, which is not JSON",
                "let __post_init__ leave values of the declared types",
            )


def _is_frozen(kind: Any) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return isinstance(kind, type) and bool(parameters and parameters.frozen)


def _name(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind)
