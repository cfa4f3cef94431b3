"""Walk and rebuild values made of tensors: dataclasses, mappings, lists and tuples, nested in any way.

Nothing here imports torch: whatever is no container counts as a tensor. A dataclass states in the metadata of a field
how its tensors are padded (``padded_with``), and that it holds no tensors (``ON_HOST``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, TypeVar

Value = TypeVar("Value")

Place = tuple[type[Any] | str | int, ...]
"""Position of a tensor in a batch: a side or the class of a view, then names and numbers."""
ON_HOST = {"on_host": True}
"""Metadata of a dataclass field that holds plain numbers, one for each pair, or None; not tensors."""
_PADDING = "padding"


def padded_with(number: int) -> dict[str, Any]:
    """Return the metadata of a dataclass field whose tensors are padded with a number, where tensors are joined.

    Args:
        number: What stands at padding; 0 for fields without this metadata.

    Example:
        >>> padded_with(-1)
        {'padding': -1}
    """
    return {_PADDING: number}


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


def join_trees(join: Callable[[Sequence[Any], int], Any], values: Sequence[Value]) -> Value:
    """Join values of one structure: their tensors by a function, and what a host knows end to end.

    Args:
        join: Takes the tensors at one place of all values, and the number that pads them; returns one tensor.
        values: The values, at least one.

    Returns:
        A value of the same structure.

    Example:
        >>> join_trees(lambda numbers, padding: sum(numbers), [{"a": [1, 2]}, {"a": [3, 4]}])
        {'a': [4, 6]}
    """
    joined: Value = _joined(join, values, 0)
    return joined


def host_fields(value: Any) -> Iterator[Any]:
    """Yield what a host knows of a value, in a fixed order: the fields of its dataclasses with ``ON_HOST``.

    Args:
        value: A tensor, or a container of tensors.
    """
    if is_dataclass(value):
        for field in fields(value):
            part = getattr(value, field.name)
            if _is_on_host(field):
                yield part
            else:
                yield from host_fields(part)
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from host_fields(part)


def _joined(join: Callable[[Sequence[Any], int], Any], values: Sequence[Any], padding: int) -> Any:
    first = values[0]
    if first is None:
        return None
    if is_dataclass(first) and not isinstance(first, type):
        parts = {}
        for field in fields(first):
            several = [getattr(value, field.name) for value in values]
            if not _is_on_host(field):
                parts[field.name] = _joined(join, several, field.metadata.get(_PADDING, padding))
            elif any(part is None for part in several):
                parts[field.name] = None
            else:
                parts[field.name] = [number for part in several for number in part]
        return replace(first, **parts)
    if isinstance(first, Mapping):
        return {name: _joined(join, [value[name] for value in values], padding) for name in first}
    if isinstance(first, list | tuple):
        return type(first)(_joined(join, several, padding) for several in zip(*values, strict=True))
    return join(values, padding)


def _is_on_host(field: Field[Any]) -> bool:
    return bool(field.metadata.get("on_host"))


def _tensor_fields(value: Any) -> list[Field[Any]]:
    return [field for field in fields(value) if not _is_on_host(field)]
