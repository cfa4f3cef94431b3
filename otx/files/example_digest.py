"""Content digest of a task's examples, for the keys of results and cached features."""

from __future__ import annotations

import json
from collections.abc import Iterable

from otx.types import Example


def digest(examples: Iterable[Example], *more: object) -> str:
    """Return a SHA-256, in hex, over examples and further values, in order.

    Args:
        examples: The examples; id, cluster and fields count.
        *more: Further values that JSON can hold, such as options.

    Returns:
        64 hex digits.

    Example:
        >>> one, two = (Example(name, name, {"text": name}) for name in "ab")
        >>> digest([one, two]) == digest([two, one])
        False
        >>> len(digest([one], {"limit": 10}))
        64
    """
    # Imported here, because a listing need not wait for OpenSSL.
    import hashlib

    state = hashlib.sha256(json.dumps(more, sort_keys=True, default=str).encode())
    for example in examples:
        row = [example.id, example.cluster, dict(example.fields)]
        state.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
    return state.hexdigest()
