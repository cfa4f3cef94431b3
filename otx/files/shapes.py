"""Check that a value parsed from a file has the fields and types that its reader relies on.

A shape is one of:

- a type (``COUNT``, ``NUMBER``, ``str``, ``ANY``), or a tuple of shapes of which one must fit
- ``[shape]``, a list
- ``{str: shape}``, an object with any keys
- ``{"name": shape, "name?": shape}``, an object with these fields. Fields with a question mark may be missing. Further
  fields are allowed, since a later version may write them
"""

from __future__ import annotations

from typing import Any

from otx.errors import DataError
from otx.printable import quote

ANY = object
NUMBER = (int, float)
COUNT = int
OPTIONAL_TEXT = (str, type(None))
OPTIONAL_COUNT = (int, type(None))
NOTHING = type(None)
NAMES = {
    int: "an integer",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


def check_shape(value: Any, shape: Any, place: str, remedy: str | None = None) -> None:
    """Refuse a value that does not have a shape.

    Args:
        value: A parsed JSON value.
        shape: The expected shape; see the module.
        place: The file, or file and line, for the message.
        remedy: Remedy of the error.

    Raises:
        DataError: If the value does not fit, naming the path of the first field that does not.

    Example:
        >>> check_shape({"step": 1, "loss": 0.5}, {"step": int}, "metrics.jsonl:1")
        >>> check_shape({"step": None}, {"step": int}, "metrics.jsonl:1")
        Traceback (most recent call last):
        ...
        otx.errors.DataError: metrics.jsonl:1: 'step' is null, not an integer
    """
    problem = _mismatch(value, shape, "")
    if problem is not None:
        raise DataError(f"{place}: {problem}", remedy)


def _mismatch(value: Any, shape: Any, path: str) -> str | None:
    """Return what does not fit and where, or None if the value fits."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _wrong(value, list, path)
        parts = ((item, shape[0], f"{path}[{number}]") for number, item in enumerate(value))
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            return _wrong(value, dict, path)
        if str in shape:
            parts = ((item, shape[str], _below(path, name)) for name, item in value.items())
        else:
            missing = [name for name in shape if not name.endswith("?") and name not in value]
            if missing:
                return f"{quote(_below(path, missing[0]))} is missing"
            fields = ((name.removesuffix("?"), part) for name, part in shape.items())
            parts = ((value[k], part, _below(path, k)) for k, part in fields if k in value)
    elif isinstance(shape, tuple) and not all(isinstance(kind, type) for kind in shape):
        problems = [_mismatch(value, part, path) for part in shape]
        return None if None in problems else problems[-1]
    else:
        return None if _fits(value, shape) else _wrong(value, shape, path)
    below = (_mismatch(*part) for part in parts)
    return next((problem for problem in below if problem is not None), None)


def _fits(value: Any, kinds: Any) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    # In JSON, true is not a number, though it is in Python.
    if isinstance(value, bool):
        return bool in kinds or ANY in kinds
    return isinstance(value, kinds)


def _wrong(value: Any, kinds: Any, path: str) -> str:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    expected = " or ".join(NAMES[kind] for kind in kinds if not (kind is int and float in kinds))
    name = quote(path) if path else "the value"
    return f"{name} is {NAMES.get(type(value), type(value).__name__)}, not {expected}"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
