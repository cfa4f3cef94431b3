"""An encoder that was opened for evaluation, with what its results depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from otx.config.roles import digested_options
from otx.evaluation.targets import Target
from otx.evaluation.unit_keys import EncoderIdentity
from otx.interfaces import Encoder
from otx.plugin_host.registry import Entry
from otx.training.runtime import choose_autocast, open_device
from otx.training.session import Session


@dataclass(frozen=True, slots=True)
class OpenEncoder:
    """An encoder on its device.

    Attributes:
        encoder: The encoder.
        entry: Registration of its plugin.
        identity: The encoder's part of every content key.
        autocast: Autocast type, or None for float32.
        reopen: Opens another folder or reference with the same plugin and options.
    """

    encoder: Encoder
    entry: Entry
    identity: EncoderIdentity
    autocast: torch.dtype | None
    reopen: Callable[[Path | str], Encoder]


def open_target(session: Session, target: Target) -> OpenEncoder:
    """Open the encoder of a target and hash it.

    Args:
        session: Table ``[runtime]``, the encoder's options, the plugins and the reporter.
        target: The target.

    Raises:
        DataError: If the encoder cannot be read.
        UsageError: If the device does not exist.
    """
    runtime = session.settings.runtime
    entry, reference = target.reference(session.registry)
    options = entry.read_options(session.settings.option_tables)
    device = open_device(runtime.device)

    def reopen(folder: Path | str) -> Encoder:
        encoder: Encoder = entry.make(str(folder), options)
        encoder.module.to(device).eval()
        return encoder

    encoder = reopen(reference)
    for note in encoder.notes:
        session.reporter.notice(str(note))
    autocast = choose_autocast(runtime.dtype, device)
    identity = EncoderIdentity(encoder.digest(), digested_options(options), str(autocast))
    return OpenEncoder(encoder, entry, identity, autocast, reopen)
