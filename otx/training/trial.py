"""A trial of an encoder on one short text, before anything long begins."""

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
        layer: Hidden layer that will be read.

    Raises:
        DataError: If the encoder fails, or returns numbers that are not finite.
        OTXError: If the encoder itself raises one, such as UsageError for a layer that it does not have.
    """
    try:
        with reading(encoder):
            batch = encoder.collate(encoder.tokenise([TEXT]))
            vectors = encoder.encode(batch, (layer,)).tokens[layer]
    except PluginError as error:
        owner = owner_of(encoder)
        if owner is None or owner.distribution != OURS or error.__cause__ is None:
            raise
        # otx's own encoders run any model folder: an error of its libraries is a fault of the model, not a bug.
        cause = error.__cause__
        raise DataError(
            f"{encoder.reference}: the encoder cannot encode {quote(TEXT)}: "
            f"{type(cause).__name__}: {quote(str(cause))}",
            "use another encoder, or ask its author",
        ) from cause
    if not torch.isfinite(vectors).all():
        raise DataError(
            f"{encoder.reference}: the encoder's vectors are not finite",
            "check whether its weights are damaged",
        )
