"""Find what `otx eval` measures: runs, and the untouched encoder behind each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.config.settings import Settings
from otx.errors import DataError, UsageError
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Entry
from otx.runs.folder import RunFolder
from otx.runs.names import untouched_name
from otx.training.factories import resolve_encoder
from otx.training.run_encoder import resolve_run_encoder


@dataclass(frozen=True, slots=True)
class Target:
    """An encoder to evaluate: that of a run, or an untouched one.

    The folder for the results of an untouched encoder is named after its digest, so it is known only when the encoder
    was opened; a large one is then opened and hashed once.

    Attributes:
        model: Reference of the encoder, as a run's record has it.
        run: The run; None for an untouched encoder.
        begun: A run that began with the untouched encoder, which must still have the digest of then.
    """

    model: str
    run: RunFolder | None = None
    begun: RunFolder | None = None

    def reference(self, host: PluginHost) -> tuple[Entry, str]:
        """Return the encoder plugin and what it opens."""
        return (
            resolve_encoder(self.model, host.registry)
            if self.run is None
            else resolve_run_encoder(self.run, host.registry)
        )

    def folder(self, root: Path, digest: str) -> RunFolder:
        """Return the folder for the results of the encoder, which was opened and has this digest.

        Raises DataError where an untouched encoder is not the one that was meant; the weights of an alignment may have
        been changed.
        """
        if self.run is None:
            if self.begun is not None and digest != self.begun.record["model_digest_before"]:
                raise DataError(
                    f"{self.model} is no longer the encoder that run {self.begun.name} began with",
                    f"put it back, or evaluate what was made of it alone: --model {self.begun.model}",
                )
            return RunFolder.untouched(root, self.model, digest)
        if self.run.record["kind"] == "untouched" and digest != self.run.record["model_digest"]:
            raise DataError(
                f"{self.model} is no longer the encoder whose results lie in {self.run.path}",
                f"put it back, or evaluate what it is now: --model {self.model}",
            )
        return self.run


def targets_of(settings: Settings, names: Sequence[str], model: str | None) -> list[Target]:
    """Return the untouched encoders of the runs, then the runs; with ``model``, that encoder alone.

    Without names, the newest finished run is taken. Raises UsageError for a run that is not there or not finished.
    """
    if model is not None:
        return [Target(model)]
    root = Path(settings.runs.folder)
    runs = [RunFolder.open(root, name) for name in names] or [RunFolder.newest(root)]
    untouched: dict[str, Target] = {}
    for run in runs:
        if run.record["kind"] == "align":
            if run.record["status"] != "finished":
                raise UsageError(
                    f"run {run.name} is {run.record['status']}, not finished",
                    f"finish it with: otx align --resume {run.name}",
                )
            before = run.record["model"]
            name = untouched_name(before, run.record["model_digest_before"])
            untouched.setdefault(name, Target(before, begun=run))
    unique = {
        run.name: Target(run.record["model"], run) for run in runs if run.name not in untouched
    }
    return [*untouched.values(), *unique.values()]
