"""`otx predict`: lines of text -> a fine-tuned model -> one prediction or error a line, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO, cast

from otx.config.settings import Settings
from otx.errors import DataError, UsageError
from otx.evaluation import finetuned_models
from otx.evaluation.finetune import Predictor, predictor
from otx.interfaces import Encoder, TransferTask
from otx.plugin_host.attribution import attributed
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Entry
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.training.factories import open_encoder, resolve_encoder
from otx.training.runtime import choose_autocast, open_device, warn_of_slow_bf16
from otx.types import Example

LINES_AT_ONCE = 256
MAX_LINE = 2**22
"""Longest line in bytes: 4 MiB."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for a line: ``value``, as JSON can hold it, and the same as ``text``, or an error.

    ``cut`` counts the sub-words, or words, that the length limit left out.
    """

    number: int
    value: Any = None
    text: str = ""
    cut: int = 0
    error: DataError | None = None


def predict(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    task: str,
    model: str | RunFolder,
    seed: int | None,
    lines: Iterable[bytes],
) -> Iterator[Prediction]:
    """Predict for each line while lines come in; a line that cannot be used gets an error in its place.

    Args:
        settings: The encoder's, and the task's options.
        host: The plugins.
        reporter: Receives notices.
        task: The name of a transfer task.
        model: A run, whose kept model of this head ``seed`` (the lowest without one) is used with the task's options
            that it was fitted with, or an encoder that brings a fitting head.
        seed: The seed of the head.
        lines: The lines, such as ``bounded_lines`` reads; what is longer than ``MAX_LINE`` is an error.

    Yields:
        One prediction or error for each line, in their order.

    Raises:
        UsageError: For a task that nothing is fitted for, or a model without such a head.
        DataError: For a model that does not exist.
    """
    entry = host.registry.find("task", task)
    if entry.info is None or entry.info.kind != "transfer":
        raise UsageError(f"{task} has nothing to predict with: it only reads the encoder")
    own, reference = _made(settings, host, entry, model, seed)
    encoder = open_encoder(reference, host.registry, settings)
    device = open_device(settings.runtime.device)
    warn_of_slow_bf16(settings.runtime.dtype, device, reporter)
    encoder.module.to(device)
    brought = encoder.carried_head(own.head_kind)
    head = None if brought is None else own.carried(brought)
    if head is None:
        raise UsageError(
            f"{reference} has no head for {task}",
            f"give a run on which {task} was fitted, with --run, or a model with such a head",
        )
    run = predictor(own, encoder, head, choose_autocast(settings.runtime.dtype, device))
    numbered = enumerate(lines, start=1)
    while block := list(islice(numbered, LINES_AT_ONCE)):
        yield from _predicted(own, encoder, run, block)


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Read lines of a stream, each cut just above ``MAX_LINE`` bytes, so that none fills the memory."""
    while line := stream.readline(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)
        yield line


def _predicted(
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
        # All at once; where that fails, one by one, to find the line that it fails for.
        left = {number: example for number, example in part.items() if number not in predictions}
        if not left:
            continue
        try:
            predictions |= _together(task, encoder, run, left)
        except DataError as error:
            if part is not examples:
                (number,) = left
                named = DataError(f"line {number}: {error.message}", error.remedy)
                predictions[number] = Prediction(number, error=named)
    return [predictions[number] for number, _ in block]


def _together(
    task: TransferTask, encoder: Encoder, run: Predictor, examples: dict[int, Example]
) -> dict[int, Prediction]:
    count = getattr(task, "count_cut", None)
    listed = list(examples.values())
    cuts = [0] * len(listed) if count is None else count(encoder, listed)
    values = [value for _, value in run(listed)]
    return {
        number: Prediction(number, value, task.write_line(value), cut)
        for number, value, cut in zip(examples, values, cuts, strict=True)
    }


def _made(
    settings: Settings, host: PluginHost, entry: Entry, model: str | RunFolder, seed: int | None
) -> tuple[TransferTask, str]:
    """The task without files, and the model's reference."""
    options: Any = entry.read_options(settings)
    if isinstance(model, str):
        return cast(TransferTask, entry.make(replace(options, data=None))), model
    folder, found = finetuned_models.find(model, entry.name, seed)
    with attributed(entry.owner):
        options = type(options)(**found.options)
    plugin, _ = resolve_encoder(model.record["model"], host.registry)
    return cast(TransferTask, entry.make(options)), f"{plugin.full_name}:{folder}"


def _text(line: bytes, number: int) -> str:
    if len(line) > MAX_LINE:
        raise DataError(f"line {number} has more than {MAX_LINE:,} bytes", "split it")
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"line {number} is not UTF-8", "convert the text to UTF-8") from error
    # A byte-order mark is no part of the first text.
    return text.removeprefix("\ufeff") if number == 1 else text
