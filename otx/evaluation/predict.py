"""Predict lines of text with a fine-tuned model: one prediction or error per line, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO, cast

from torch import nn

from otx.errors import DataError, UsageError
from otx.evaluation import finetuned_models
from otx.evaluation.finetune import Predictor, predictor
from otx.interfaces import Encoder, TransferTask
from otx.plugin_host.attribution import attributed
from otx.plugin_host.registry import Entry
from otx.runs.folder import RunFolder
from otx.training.factories import open_encoder, resolve_encoder
from otx.training.runtime import choose_autocast, open_device, warn_of_slow_bf16
from otx.training.session import Session
from otx.types import Example

LINES_AT_ONCE = 256
MAX_LINE = 2**22
"""Longest line in bytes: 4 MiB."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for a line, or its error.

    Attributes:
        number: Line number, from 1.
        value: The prediction as a JSON value.
        text: The prediction as a line of text.
        cut: Number of sub-words, or words, of the line beyond the length limit.
        error: The reason why the line has no prediction; None if it has one.
    """

    number: int
    value: Any = None
    text: str = ""
    cut: int = 0
    error: DataError | None = None


def predict(
    session: Session,
    task: str,
    model: str | RunFolder,
    lines: Iterable[bytes],
    *,
    seed: int | None = None,
) -> Iterator[Prediction]:
    """Predict each line as lines come in.

    A line that cannot be used gets an error in its place.

    Args:
        session: Table ``[runtime]``, the options of encoder and task, the plugins and the reporter.
        task: Name of a transfer task.
        model: A run, whose kept model of the task is used with the options that it was fine-tuned with; or the
            reference of an encoder whose checkpoint has a fitting head.
        lines: The lines, such as ``bounded_lines`` reads; a line of more than ``MAX_LINE`` bytes is an error.
        seed: Seed of the head of a run; None means the lowest.

    Yields:
        One prediction or error for each line, in order.

    Raises:
        UsageError: For a task without heads, or a model without a head for the task.
        DataError: For a model that does not exist.
    """
    registry, runtime = session.registry, session.settings.runtime
    entry = registry.find("task", task)
    if entry.info is None or entry.info.kind != "transfer":
        raise UsageError(
            f"{task} cannot predict lines: it only reads the encoder", "name a transfer task"
        )
    opened, reference = _open_task(session, entry, model, seed)
    encoder = open_encoder(reference, registry, session.settings.option_tables)
    device = open_device(runtime.device)
    warn_of_slow_bf16(runtime.dtype, device, session.reporter)
    encoder.module.to(device)
    checkpoint_head = encoder.carried_head(opened.head_kind)
    head = None
    if checkpoint_head is not None:
        opened = _for_prediction(opened, checkpoint_head)
        head = opened.carried(checkpoint_head)
    if head is None:
        raise UsageError(
            f"{reference} has no head for {task}",
            f"give a run on which {task} was fine-tuned, with --run, or a model with such a head",
        )
    run = predictor(opened, encoder, head, choose_autocast(runtime.dtype, device))
    numbered = enumerate(lines, start=1)
    while block := list(islice(numbered, LINES_AT_ONCE)):
        yield from _predict_block(opened, encoder, run, block)


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    r"""Read lines of a stream, each cut just above ``MAX_LINE`` bytes to save memory.

    Args:
        stream: The stream.

    Yields:
        Each line with its line break, if it was not cut.

    Example:
        >>> import io
        >>> list(bounded_lines(io.BytesIO(b"one\ntwo")))
        [b'one\n', b'two']
    """
    while line := stream.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)
        yield line


def _for_prediction(task: TransferTask, head: nn.Module) -> TransferTask:
    """Return the task that predicts with a head; a task without files may take its classes from it."""
    adapt = getattr(task, "for_prediction", None)
    return task if adapt is None else cast(TransferTask, adapt(head))


def _predict_block(
    task: TransferTask, encoder: Encoder, run: Predictor, block: Sequence[tuple[int, bytes]]
) -> list[Prediction]:
    examples: dict[int, Example] = {}
    predictions: dict[int, Prediction] = {}
    for number, line in block:
        try:
            examples[number] = task.read_line(_text(line, number), number)
        except DataError as error:
            predictions[number] = Prediction(number, error=error)
    for part in (examples, *({number: example} for number, example in examples.items())):
        # All lines at once; if that fails, one by one, to find the line that fails.
        left = {number: example for number, example in part.items() if number not in predictions}
        if not left:
            continue
        try:
            predictions |= _predict_together(task, encoder, run, left)
        except DataError as error:
            if part is not examples:
                (number,) = left
                named = DataError(f"line {number}: {error.message}", error.remedy)
                predictions[number] = Prediction(number, error=named)
    return [predictions[number] for number, _ in block]


def _predict_together(
    task: TransferTask, encoder: Encoder, run: Predictor, examples: dict[int, Example]
) -> dict[int, Prediction]:
    count = getattr(task, "count_truncated", None)
    listed = list(examples.values())
    cuts = [0] * len(listed) if count is None else count(encoder, listed)
    values = [value for _, value in run(listed)]
    return {
        number: Prediction(number, value, task.write_line(value), cut)
        for number, value, cut in zip(examples, values, cuts, strict=True)
    }


def _open_task(
    session: Session, entry: Entry, model: str | RunFolder, seed: int | None
) -> tuple[TransferTask, str]:
    """Return the task without files, and the reference of the model."""
    options: Any = entry.read_options(session.settings.option_tables)
    if isinstance(model, str):
        return cast(TransferTask, entry.make(replace(options, data=None))), model
    folder, record = finetuned_models.find(model, entry.name, seed)
    with attributed(entry.owner):
        options = type(options)(**record.options)
    plugin, _ = resolve_encoder(model.record["model"], session.registry)
    return cast(TransferTask, entry.make(options)), f"{plugin.full_name}:{folder}"


def _text(line: bytes, number: int) -> str:
    if len(line) > MAX_LINE:
        raise DataError(f"line {number} has more than {MAX_LINE:,} bytes", "split it")
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"line {number} is not UTF-8", "convert the text to UTF-8") from error
    # A byte-order mark is not a part of the first text.
    return text.removeprefix("\ufeff") if number == 1 else text
