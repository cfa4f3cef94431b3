"""The encoder of a run: the plugin that opens it, and the reference to give that plugin."""

from __future__ import annotations

from otx.plugin_host.registry import Entry, Registry
from otx.runs.folder import RunFolder
from otx.training.factories import resolve_encoder


def resolve_run_encoder(run: RunFolder, registry: Registry) -> tuple[Entry, str]:
    """Return the plugin and the reference of a run's encoder.

    Args:
        run: An alignment or the folder of an untouched encoder.
        registry: The registered plugins.

    Returns:
        The plugin that the run was aligned with, and the folder of the aligned encoder; for an untouched encoder, the
        reference after the plugin's name.

    Raises:
        UsageError: If the alignment is not finished, or no loaded plugin registers the encoder.
    """
    entry, reference = resolve_encoder(run.record["model"], registry)
    return entry, reference if run.record["kind"] == "untouched" else run.encoder()


def run_encoder_reference(run: RunFolder, registry: Registry) -> str:
    """Return the encoder of a run as ``--model`` takes it.

    The form is ``DISTRIBUTION:PLUGIN:REFERENCE``.

    Args:
        run: An alignment or the folder of an untouched encoder.
        registry: The registered plugins.

    Raises:
        UsageError: As ``resolve_run_encoder``.
    """
    entry, reference = resolve_run_encoder(run, registry)
    return f"{entry.full_name}:{reference}"
