"""Checks of the numbers that a step reports about solvers and gradients."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from otx.errors import TrainingError
from otx.files.shapes import COUNT, NUMBER

DEAD_MASS = 1e-3
"""Share of the expected transport mass below which training stops."""
CONVERGED_WARN, CONVERGED_FAIL = 0.95, 0.5
"""Mean shares of converged transport problems below which the loop warns, and below which it stops."""
HEALTH_WINDOW = 10
"""Number of steps over which the share of converged problems is averaged."""
FLAT_STEPS = 3
"""Number of measured steps in a row with a gradient of exactly zero after which training stops."""


class Health:
    """Checks what solvers report: stops at a transport plan without mass, warns and stops if solvers do not converge.

    ``state`` and ``restore`` carry its memory over a resume, so that a resumed run stops where an uninterrupted one
    would.

    Args:
        notice: Receives a warning.
    """

    SHAPE: ClassVar[dict[str, Any]] = {
        "converged": {str: [NUMBER]},
        "warned": [str],
        "flat": {str: COUNT},
    }
    """Shape of the state, in the notation of ``otx.files.shapes``."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._recent: dict[str, deque[float]] = {}
        self._warned: set[str] = set()
        self._flat: dict[str, int] = {}

    def state(self) -> dict[str, Any]:
        """Return the memory as JSON values."""
        recent = {name: list(shares) for name, shares in self._recent.items()}
        return {"converged": recent, "warned": sorted(self._warned), "flat": dict(self._flat)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the memory that ``state`` returned.

        Args:
            state: The value that ``state`` returned.
        """
        self._recent = {
            name: deque(shares, maxlen=HEALTH_WINDOW) for name, shares in state["converged"].items()
        }
        self._warned, self._flat = set(state["warned"]), dict(state["flat"])

    def check_gradients(self, norms: Mapping[str, float], step: int) -> None:
        """Check that every part of the loss sends a gradient.

        Args:
            norms: Norm of the gradient of each part, by name.
            step: The optimiser step.

        Raises:
            TrainingError: If a norm was exactly zero for ``FLAT_STEPS`` steps in a row.
        """
        for name, norm in norms.items():
            self._flat[name] = self._flat.get(name, 0) + 1 if norm == 0.0 else 0
            if self._flat[name] == FLAT_STEPS:
                raise TrainingError(
                    f"{name}: the gradient was exactly zero for {FLAT_STEPS} steps (up to step {step})",
                    "it does not reach the encoder: check its scale (epsilon), layer and links",
                )

    def check(self, row: Mapping[str, float], step: int) -> None:
        """Check the numbers that solvers report.

        Args:
            row: The numbers of a step, by name.
            step: The optimiser step.

        Raises:
            TrainingError: If a transport plan has lost its mass, or too few problems converge.
        """
        for name, value in row.items():
            prefix, _, quantity = name.rpartition(".")
            if quantity == "mass":
                expected = row.get(f"{prefix}.expected_mass", 1.0)
                if not value > DEAD_MASS * expected:
                    raise TrainingError(
                        f"{prefix}: transport mass {value:.3g}, expected {expected:.3g} at step {step}",
                        "the cost is too large for epsilon: raise epsilon or use the cosine cost",
                    )
            elif quantity == "converged":
                self._convergence(prefix, value, step)

    def _convergence(self, prefix: str, share: float, step: int) -> None:
        recent = self._recent.setdefault(prefix, deque(maxlen=HEALTH_WINDOW))
        recent.append(share)
        mean = sum(recent) / len(recent)
        if len(recent) == HEALTH_WINDOW and mean < CONVERGED_FAIL:
            raise TrainingError(
                f"{prefix}: only {mean:.0%} of the transport problems converged in the last "
                f"{HEALTH_WINDOW} steps (step {step})",
                f"raise {prefix}.epsilon or {prefix}.max_iterations",
            )
        if mean < CONVERGED_WARN and prefix not in self._warned:
            self._warned.add(prefix)
            self._notice(f"{prefix}: {mean:.0%} of the transport problems converged at step {step}")
