"""Walk and rebuild values made of tensors: dataclasses, mappings, lists and tuples, nested in any way.

Nothing here imports torch: whatever is no container counts as a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, TypeVar

Value = TypeVar("Value")

Place = tuple[type[Any] | str | int, ...]
"""Position of a tensor in a batch: a side or the class of a view, then names and numbers."""
ON_HOST = {"on_host": True}
"""Metadata of a dataclass field that holds plain numbers, not tensors."""


def walk_tensors(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every tensor of a value with its place.

    Args:
        value: A tensor, or a container of tensors; None holds none.
        place: Place of the value itself.

    Yields:
        The place (attribute names, keys and indices) and the tensor.

    Example:
        >>> list(walk_tensors({"a": [1, 2]}))
        [(('a', 0), 1), (('a', 1), 2)]
    """
    if value is None:
        return
    if is_dataclass(value):
        parts: list[tuple[str | int, Any]] = [
            (field.name, getattr(value, field.name)) for field in _tensor_fields(value)
        ]
    elif isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    else:
        yield place, value
        return
    for name, part in parts:
        yield from walk_tensors(part, (*place, name))


def map_tensors(
    function: Callable[[Any], Any],
    value: Value,
    *,
    on_host: Callable[[Any], Any] = lambda known: known,
) -> Value:
    """Rebuild a value with a function applied to each of its tensors; containers are copied.

    Args:
        function: Takes and returns a tensor.
        value: A tensor, or a container of tensors.
        on_host: Takes and returns what a field with ``ON_HOST`` holds; by default it stays.

    Returns:
        A value of the same structure.

    Example:
        >>> map_tensors(lambda number: -number, {"a": [1, 2]})
        {'a': [-1, -2]}
    """
    result: Any
    if value is None:
        result = None
    elif is_dataclass(value) and not isinstance(value, type):
        mapped_fields = {}
        for field in fields(value):
            part, known = getattr(value, field.name), field.metadata.get("on_host")
            mapped_fields[field.name] = (
                on_host(part) if known else map_tensors(function, part, on_host=on_host)
            )
        result = replace(value, **mapped_fields)
    elif isinstance(value, Mapping):
        result = {
            name: map_tensors(function, part, on_host=on_host) for name, part in value.items()
        }
    elif isinstance(value, list | tuple):
        result = type(value)(map_tensors(function, part, on_host=on_host) for part in value)
    else:
        result = function(value)
    mapped: Value = result
    return mapped


def _tensor_fields(value: Any) -> list[Field[Any]]:
    return [field for field in fields(value) if not field.metadata.get("on_host")]
