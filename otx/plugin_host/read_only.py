"""Read-only copies of values that several plugins see."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any


def read_only(value: Any) -> Any:
    """Copy a value so that nobody who gets it can alter what another sees.

    Args:
        value: A value of JSON, or any other. Mappings become read-only mappings and sequences become tuples, at every
            depth; everything else is taken as it is.

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
