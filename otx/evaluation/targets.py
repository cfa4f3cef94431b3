"""Find the encoders that an evaluation measures: those of runs, and their baseline models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.config.schema import RunSettings
from otx.errors import DataError, UsageError
from otx.plugin_host.registry import Entry, Registry
from otx.runs.folder import RunFolder, untouched_name
from otx.training.factories import resolve_encoder


@dataclass(frozen=True, slots=True)
class Target:
    """An encoder to evaluate: that of a run, or a baseline model (an encoder before any alignment).

    The folder for the results of a baseline model is named after its digest, so it is known only after the encoder was
    opened. A target is resolved without opening it: a large encoder is opened and hashed once.

    Attributes:
        model: Reference of the encoder, as a run's record has it.
        run: The run; None for a baseline model.
        begun: A run that began with the baseline model, which must still have the same digest.
    """

    model: str
    run: RunFolder | None = None
    begun: RunFolder | None = None

    def reference(self, registry: Registry) -> tuple[Entry, str]:
        """Return the encoder plugin and the reference that it opens.

        Args:
            registry: The registered names.
        """
        if self.run is None:
            return resolve_encoder(self.model, registry)
        return reference_of(self.run, registry)

    def folder(self, root: Path, digest: str) -> RunFolder:
        """Return the run folder for the results of the encoder.

        Args:
            root: Folder of the run folders.
            digest: Digest of the opened encoder.

        Raises:
            DataError: If a baseline model no longer has the weights it is recorded with. The weights of an alignment
                may have been changed.
        """
        if self.run is None:
            if self.begun is not None and digest != self.begun.record["model_digest_before"]:
                raise DataError(
                    f"{self.model} is no longer the encoder that run {self.begun.name} began with",
                    f"restore it, or evaluate the aligned encoder alone: --model {self.begun.model}",
                )
            return RunFolder.untouched(root, self.model, digest)
        if self.run.record["kind"] == "untouched" and digest != self.run.record["model_digest"]:
            raise DataError(
                f"{self.model} is no longer the encoder whose results are in {self.run.path}",
                f"restore it, or evaluate it as it is now: --model {self.model}",
            )
        return self.run


def targets_of(runs: RunSettings, names: Sequence[str], model: str | None) -> list[Target]:
    """Return the encoders to evaluate; no encoder is opened.

    Args:
        runs: Table ``[runs]``.
        names: Names of runs; none means the newest finished run.
        model: An encoder to evaluate instead of runs, or None.

    Returns:
        The baseline models of the runs, then the runs, each once.

    Raises:
        UsageError: For a run that does not exist or is not finished.
    """
    if model is not None:
        return [Target(model)]
    root = Path(runs.folder)
    folders = [RunFolder.open(root, name) for name in names] or [RunFolder.newest(root)]
    baselines: dict[str, Target] = {}
    for run in folders:
        if run.record["kind"] == "align":
            if run.record["status"] != "finished":
                raise UsageError(
                    f"run {run.name} is {run.record['status']}, not finished",
                    f"finish it with: otx align --resume {run.name}",
                )
            before = run.record["model"]
            name = untouched_name(before, run.record["model_digest_before"])
            baselines.setdefault(name, Target(before, begun=run))
    unique = {
        run.name: Target(run.record["model"], run) for run in folders if run.name not in baselines
    }
    return [*baselines.values(), *unique.values()]


def reference_of(run: RunFolder, registry: Registry) -> tuple[Entry, str]:
    """Return the encoder plugin of a run, and the reference of the run's encoder.

    Args:
        run: The run.
        registry: The registered names.
    """
    entry, reference = resolve_encoder(run.record["model"], registry)
    return entry, str(run.model) if run.record["kind"] == "align" else reference
