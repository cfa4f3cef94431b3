"""`otx predict`: lines of text -> a fine-tuned model -> one prediction a line, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, cast

from otx.attribution import attributed
from otx.config import Settings
from otx.contracts import TransferTask
from otx.engine import fitted
from otx.engine.finetune import predictor
from otx.engine.prepare import open_encoder
from otx.engine.report import Reporter
from otx.engine.runtime import choose_autocast, open_device, warn_of_slow_bf16
from otx.engine.targets import reference_of
from otx.errors import DataError, UsageError
from otx.plugins import PluginHost
from otx.registry import Entry
from otx.runs.folder import RunFolder

LINES_AT_ONCE = 256


def predict(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    task: str,
    model: str | RunFolder,
    seed: int | None,
    lines: Iterable[bytes],
) -> Iterator[tuple[Any, str]]:
    """Each line's prediction, as JSON can hold it and as a line of text, while lines come in.

    ``model``: a run, whose kept model of this head ``seed`` (the lowest without one) is used with the task's options
    that it was fitted with, or an encoder that brings a fitting head.

    Raises UsageError for a task that nothing is fitted for and a model without such a head, DataError for a model that
    is not there or a line in another layout.
    """
    entry = host.registry.find("task", task)
    if entry.info is None or entry.info.kind != "transfer":
        raise UsageError(f"{task} has nothing to predict with: it only reads the encoder")
    own, reference = _made(settings, host, entry, model, seed)
    encoder = open_encoder(reference, host.registry, settings)
    device = open_device(settings.align.device)
    warn_of_slow_bf16(settings.align.dtype, device, reporter)
    encoder.module.to(device)
    brought = encoder.carried_head(own.head_kind)
    head = None if brought is None else own.carried(brought)
    if head is None:
        raise UsageError(
            f"{reference} has no head for {task}",
            f"give a run on which {task} was fitted, with --run, or a model with such a head",
        )
    run = predictor(own, encoder, head, choose_autocast(settings.align.dtype, device))
    numbered = enumerate(lines, start=1)
    while block := list(islice(numbered, LINES_AT_ONCE)):
        examples = [own.read_line(_text(line, number), number) for number, line in block]
        yield from ((made, own.write_line(made)) for _, made in run(examples))


def _made(
    settings: Settings, host: PluginHost, entry: Entry, model: str | RunFolder, seed: int | None
) -> tuple[TransferTask, str]:
    """The task without files, and the model's reference."""
    options: Any = settings.options_for(entry)
    if isinstance(model, str):
        return cast(TransferTask, entry.make(replace(options, data=None))), model
    folder, found = fitted.find(model, entry.name, seed)
    with attributed(entry.owner):
        options = type(options)(**found.options)
    plugin, _ = reference_of(model, host)
    return cast(TransferTask, entry.make(options)), f"{plugin}:{folder}"


def _text(line: bytes, number: int) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"line {number} is not UTF-8", "convert the text to UTF-8") from error
