"""Try an encoder on one short text before anything long begins."""

from __future__ import annotations

import torch

from otx.data.inference import reading
from otx.errors import DataError, PluginError
from otx.interfaces import Encoder
from otx.plugin_host.attribution import OURS, owner_of
from otx.printable import quote

TEXT = "a b"


def try_encoder(encoder: Encoder, layer: int) -> None:
    """Encode a text of two words, so that a model that cannot run is refused before a run begins.

    Args:
        encoder: The encoder, on its device.
        layer: The hidden layer that will be read.

    Raises:
        DataError: If it fails, or gives numbers that are not finite.
        OTXError: What the encoder itself raises, such as UsageError for a layer that it does not have.
    """
    try:
        with reading(encoder):
            batch = encoder.collate(encoder.tokenise([TEXT]))
            vectors = encoder.encode(batch, (layer,)).tokens[layer]
    except PluginError as error:
        owner = owner_of(encoder)
        if owner is None or owner.distribution != OURS or error.__cause__ is None:
            raise
        # Our encoders run any model folder: what its libraries raise is about the model, and no bug.
        cause = error.__cause__
        raise DataError(
            f"{encoder.reference}: the encoder cannot encode {quote(TEXT)}: "
            f"{type(cause).__name__}: {quote(str(cause))}",
            "use another encoder, or ask who made it",
        ) from cause
    if not torch.isfinite(vectors).all():
        raise DataError(
            f"{encoder.reference}: the encoder's vectors are not finite", "are its weights damaged?"
        )
