"""Training examples of other languages: translations of the training set, or a few of the tested kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from otx.errors import DataError
from otx.types import Example
from otx_tasks.files import plain_name
from otx_tasks.options import TransferOptions


def further(
    options: TransferOptions,
    read: Callable[[Path], Sequence[Example]],
    tested: Iterable[Example],
    content: Callable[[Example], Hashable],
) -> list[Example]:
    """The examples of the files in ``options.also``, called after their file; none of them is for development.

    Raises DataError if one of them is ``tested`` in any language, by its ``content``.
    """
    found: list[Example] = []
    for name in options.also:
        path = Path(name).expanduser()
        examples = read(path)[: options.also_limit]
        found += [replace(own, id=f"{plain_name(path)}:{own.id}") for own in examples]
    known = {content(example) for example in tested} if found else set()
    leaked = [example.id for example in found if content(example) in known]
    if leaked:
        raise DataError(
            f"{len(leaked)} examples of {', '.join(options.also)} are tested on, the first is {leaked[0]}",
            "train on others: what is tested on must not be learnt from",
        )
    return found
