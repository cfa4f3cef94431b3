"""Bring every peer to the same error: find the loosest position of its knob that reaches it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from benchmarks.peers.answers import Answer, Peer, marginal_error
from benchmarks.peers.measure import synchronise
from benchmarks.peers.problems import Problems

PROBED = 4
"""Number of sentences that predict how long a loop takes for all."""


@dataclass(frozen=True)
class Tuned:
    """The result of a search for a knob position.

    Attributes:
        knob: Position of the knob, if any was tried: the loosest that reaches the target, or the tightest tried.
        error: Error of the worst problem at that position.
        reached: True if the error is within the target.
        seconds: Seconds of one run, if that ended the search or kept the peer from being tried.
    """

    knob: float | None = None
    error: float | None = None
    reached: bool = False
    seconds: float | None = None


def answer(peer: Peer, problems: Problems, epsilon: float, knob: float) -> Answer:
    """Solve without gradients.

    Args:
        peer: The solver.
        problems: The problems.
        epsilon: Regularisation strength.
        knob: Position of the peer's knob.

    Returns:
        The answer.
    """
    with torch.no_grad():
        return peer.solve(problems, problems.x, problems.y, epsilon, knob)


def tune(
    peer: Peer, problems: Problems, epsilon: float, *, target: float, patience: float
) -> Tuned:
    """Find the loosest knob position that reaches an error.

    The search starts from the loose end, since tight positions take long. Its strides double until the error is
    reached; then it bisects the last stride.

    Args:
        peer: The solver.
        problems: The problems.
        epsilon: Regularisation strength.
        target: Largest L1 error of the worst problem's marginals.
        patience: Seconds of one run beyond which the search stops. Loops that would take longer are not tried.

    Returns:
        The position, or the reason why there is none.
    """
    if peer.loop and len(problems) > PROBED**2:
        seconds = _predict_seconds(peer, problems, epsilon)
        if seconds > patience:
            return Tuned(seconds=seconds)

    def try_at(place: int) -> tuple[Tuned, float]:
        began, knob = time.perf_counter(), peer.positions[place]
        plan = answer(peer, problems, epsilon, knob).plan()
        error = float(marginal_error(plan, problems.a, problems.b).max())
        return Tuned(knob, error, error <= target), time.perf_counter() - began

    missed, place, last = -1, 0, len(peer.positions) - 1
    best, seconds = try_at(place)
    while not best.reached and place < last and seconds < patience:
        missed, place = place, min(last, 2 * place + 1)
        best, seconds = try_at(place)
    while best.reached and place - missed > 1:
        middle = (missed + place) // 2
        tuned, _ = try_at(middle)
        if tuned.reached:
            best, place = tuned, middle
        else:
            missed = middle
    if best.reached or seconds < patience:
        return best
    return replace(best, seconds=seconds)


def _predict_seconds(peer: Peer, problems: Problems, epsilon: float) -> float:
    """Predict the seconds of one run from a few problems at the middle position of the knob."""
    few, device = problems.head(PROBED), str(problems.x.device)
    synchronise(device)
    began = time.perf_counter()
    answer(peer, few, epsilon, peer.positions[len(peer.positions) // 2])
    synchronise(device)
    return (time.perf_counter() - began) / len(few) * len(problems)
