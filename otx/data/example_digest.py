"""The examples of a task, as what depends on them is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from otx.types import Example


def digest(examples: Iterable[Example], *more: object) -> str:
    """SHA-256 over the examples (id, cluster, fields) and whatever else, in order."""
    state = hashlib.sha256(json.dumps(more, sort_keys=True, default=str).encode())
    for example in examples:
        row = [example.id, example.cluster, dict(example.fields)]
        state.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode())
    return state.hexdigest()
