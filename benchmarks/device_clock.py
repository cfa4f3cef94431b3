"""Points in time on a device, and the time that the objective takes between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from otx.alignment.trainable import TrainableAlignment


class DeviceClock:
    """Marks points in a device's work without waiting for it.

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"

    def now(self) -> Any:
        """Return the present point."""
        if not self._gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        """Return the seconds between two points; the host waits for the device.

        Args:
            start: The earlier point.
            end: The later point.
        """
        if not self._gpu:
            return float(end - start)
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3


class ObjectiveTimes:
    """Times the objective in every step: from the views to the loss, and back to the encoder's states.

    Args:
        job: The alignment; its ``views`` and ``objective`` are replaced by observed ones.
        device: The device.
    """

    def __init__(self, job: TrainableAlignment, device: torch.device) -> None:
        self._clock = DeviceClock(device)
        self._steps: list[dict[str, Any]] = []
        views: Callable[..., Any] = job.views
        forward: Callable[..., Any] = job.objective.forward

        def viewed(batch: Any) -> Any:
            pair = views(batch)
            step: dict[str, Any] = {"views": self._clock.now()}
            self._steps.append(step)
            for side in (pair.source, pair.pivot):
                for states in side.tokens.values():
                    states.register_hook(lambda _: step.update(back=self._clock.now()))
            return pair

        def measured(*arguments: Any, **named: Any) -> Any:
            loss = forward(*arguments, **named)
            step = self._steps[-1]
            step["loss"] = self._clock.now()
            loss.value.register_hook(lambda _: step.update(turn=self._clock.now()))
            return loss

        job.views = viewed  # type: ignore[assignment]
        job.objective.forward = measured  # type: ignore[method-assign]

    def seconds(self, first: int, end: int) -> float:
        """Return the objective's seconds in some steps, forward and backward.

        Args:
            first: First step, from 0.
            end: Step after the last.
        """
        return sum(
            self._clock.seconds(step["views"], step["loss"])
            + self._clock.seconds(step["turn"], step["back"])
            for step in self._steps[first:end]
        )
