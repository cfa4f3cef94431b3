"""Further training examples: translations of the training set, or a few examples of the tested kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from otx.errors import DataError
from otx.types import Example
from otx_tasks.files import plain_name
from otx_tasks.options import TransferOptions


def read_extra_training(
    options: TransferOptions,
    read: Callable[[Path], Sequence[Example]],
    tested: Iterable[Example],
    content: Callable[[Example], Hashable],
) -> list[Example]:
    """Read the examples of the files in ``options.also``, all for training.

    Args:
        options: ``also`` and ``also_limit`` count.
        read: Reads a training file.
        tested: Test examples of every language; not iterated over if there are no files.
        content: Returns what identifies an example by its content.

    Returns:
        The examples, with the file's name in front of each id.

    Raises:
        DataError: If one of them is tested in any language.
    """
    extra: list[Example] = []
    for name in options.also:
        path = Path(name).expanduser()
        examples = read(path)[: options.also_limit]
        extra += [replace(one, id=f"{plain_name(path)}:{one.id}") for one in examples]
    known = {content(example) for example in tested} if extra else set()
    leaked = [example.id for example in extra if content(example) in known]
    if leaked:
        raise DataError(
            f"{len(leaked)} examples of {', '.join(options.also)} are tested on, the first is {leaked[0]}",
            "train on other examples: what is tested must not be learnt",
        )
    return extra
