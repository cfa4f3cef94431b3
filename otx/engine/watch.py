"""What the guards say on the way, and the encoder that is kept: chosen on one held-out part, reported on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otx.config import Settings
from otx.contracts import Corpus, Encoder
from otx.engine import checkpoint, guards
from otx.engine.prepare import Material
from otx.errors import UsageError
from otx.links.pharaoh import GoldPair
from otx.sections import AlignSettings

BEST = "best"
LOWER_IS_BETTER = {"aer"}


class Watch:
    """Measures the encoder on held-out pairs; ``folder`` is where the best encoder so far lies.

    Gold links select on their even pairs and report on their odd ones where ``align.keep_best`` is ``aer``, otherwise
    all of them report. Raises UsageError where the metric to keep the best by cannot be measured.
    """

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        material: Material,
        folder: Path,
        steps: int,
    ) -> None:
        self.wanted, self.encoder, self.folder, self.steps = settings.align, encoder, folder, steps
        self.metric = settings.align.keep_best
        shared = self.metric != "aer"
        self.select = material.select, [] if shared else material.gold[::2]
        self.report = material.report, material.gold if shared else material.gold[1::2]
        _check_measurable(self.wanted, material)

    def reported(self) -> dict[str, float]:
        """The guards on what is reported."""
        return self._measured(*self.report)

    def look(self, step: int) -> dict[str, float]:
        """At the steps that are looked at, and at the last: the guards on what is chosen by, as ``guards.NAME``.

        The best encoder is kept.
        """
        every = self.wanted.guard_every or (self.wanted.checkpoint_every if self.metric else 0)
        if not every or (step % every and step != self.steps):
            return {}
        numbers = self._measured(*self.select)
        if self.metric is not None:
            self._keep(step, numbers[self.metric])
        return {f"guards.{name}": value for name, value in numbers.items()}

    def put_back(self) -> dict[str, float | str] | None:
        """Give the encoder the best weights that were kept; returns metric, step and value, None if none were."""
        kept, damaged = checkpoint.newest(self.folder)
        for error in damaged:
            raise error
        if self.metric is None or kept is None:
            return None
        checkpoint.load(kept, {"encoder": self.encoder.module}, None)
        return {"metric": self.metric, "step": kept.step, "value": kept.state["value"]}

    def _keep(self, step: int, value: float) -> None:
        best, _ = checkpoint.newest(self.folder)
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        if best is None or sign * value > sign * best.state["value"]:
            state = {"metric": self.metric, "value": value}
            checkpoint.save(self.folder, step, {"encoder": self.encoder.module}, None, state)
            checkpoint.prune(self.folder, 1)

    def _measured(self, corpora: Sequence[Corpus], gold: Sequence[GoldPair]) -> dict[str, float]:
        return guards.measure(
            self.encoder, corpora, gold, self.wanted.layer, self.wanted.word_vector
        )


def _check_measurable(wanted: AlignSettings, material: Material) -> None:
    if wanted.keep_best == "retrieval" and not any(map(len, material.select)):
        raise UsageError(
            "the best cannot be kept by retrieval: no pair is held out to choose by",
            "raise align.heldout, or give more pairs",
        )
    if wanted.keep_best == "aer" and len(material.gold) < 2:
        raise UsageError(
            "the best cannot be kept by aer: there are no gold word links", "give them with --gold"
        )
