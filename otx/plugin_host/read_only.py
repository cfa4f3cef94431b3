"""Read-only copies of values that several plugins receive."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any


def read_only(value: Any) -> Any:
    """Return a copy of a value that its receivers cannot change.

    Args:
        value: A JSON value, or any other. Mappings become read-only mappings and sequences become tuples, at every
            depth; everything else stays as it is.

    Returns:
        The copy.

    Example:
        >>> read_only({"a": [1, {"b": 2}]})["a"][1]["b"]
        2
    """
    if isinstance(value, Mapping):
        return MappingProxyType({key: read_only(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(read_only(item) for item in value)
    if isinstance(value, Set):
        return frozenset(value)
    return value
