"""The training job of an alignment, as the benchmarks take it apart."""

from __future__ import annotations

from typing import Any

from otx.alignment.align import prepare_alignment
from otx.alignment.model_setup import prepare_model
from otx.alignment.trainable import TrainableAlignment
from otx.config.settings import load_settings
from otx.plugin_host.host import host
from otx.training.session import Session


def make_job(steps: int, **settings: Any) -> TrainableAlignment:
    """Return the job that ``otx align`` makes of some settings, in training mode.

    Args:
        steps: Number of optimiser steps of the run.
        settings: Settings by ``table__key``.
    """
    chosen = load_settings(flags={key.replace("__", "."): value for key, value in settings.items()})
    session = Session(chosen, host(chosen))
    prepared = prepare_alignment(session)
    auxiliary = prepare_model(session, prepared.encoder, prepared.objective)
    prepared.encoder.module.train(chosen.encoder.dropout)
    return TrainableAlignment(
        prepared.encoder,
        prepared.objective,
        prepared.data,
        auxiliary,
        align=chosen.align,
        word_vector=chosen.encoder.word_vector,
        steps=steps,
    )
