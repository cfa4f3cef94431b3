"""Every peer brought to the same error: the loosest position of its knob that reaches it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from benchmarks.peers.answers import Answer, Peer, marginal_error
from benchmarks.peers.measure import synchronise
from benchmarks.peers.problems import Problems

PROBED = 4
"""Sentences that a loop is tried on first, to tell how long it would take for all."""


@dataclass(frozen=True)
class Tuned:
    """A position of the knob, if any was tried, and the error of the worst problem there.

    ``reached``: it is within the target; otherwise this is the tightest position that was tried. ``seconds`` is
    that of a run: given where it made an end of the search, or kept a peer from being tried at all.
    """

    knob: float | None = None
    error: float | None = None
    reached: bool = False
    seconds: float | None = None


def answer(peer: Peer, problems: Problems, epsilon: float, knob: float) -> Answer:
    """Solve without gradients."""
    with torch.no_grad():
        return peer.solve(problems, problems.x, problems.y, epsilon, knob)


def tune(peer: Peer, problems: Problems, epsilon: float, target: float, patience: float) -> Tuned:
    """By strides that double until the error is reached, then by bisection of the last stride.

    From the loose end, since tight positions take long. Loops that would take longer than
    ``patience`` seconds a run are left out, and no knob is turned on after a run that did.
    """
    if peer.loop and len(problems) > PROBED**2:
        seconds = _foretold(peer, problems, epsilon)
        if seconds > patience:
            return Tuned(seconds=seconds)

    def tried(place: int) -> tuple[Tuned, float]:
        began, knob = time.perf_counter(), peer.positions[place]
        plan = answer(peer, problems, epsilon, knob).plan()
        error = float(marginal_error(plan, problems.a, problems.b).max())
        return Tuned(knob, error, error <= target), time.perf_counter() - began

    missed, place, last = -1, 0, len(peer.positions) - 1
    best, seconds = tried(place)
    while not best.reached and place < last and seconds < patience:
        missed, place = place, min(last, 2 * place + 1)
        best, seconds = tried(place)
    while best.reached and place - missed > 1:
        middle = (missed + place) // 2
        found, _ = tried(middle)
        if found.reached:
            best, place = found, middle
        else:
            missed = middle
    if best.reached or seconds < patience:
        return best
    return replace(best, seconds=seconds)


def _foretold(peer: Peer, problems: Problems, epsilon: float) -> float:
    """Seconds that a run would take, from a few problems at half the knob's way."""
    few, device = problems.head(PROBED), str(problems.x.device)
    synchronise(device)
    began = time.perf_counter()
    answer(peer, few, epsilon, peer.positions[len(peer.positions) // 2])
    synchronise(device)
    return (time.perf_counter() - began) / len(few) * len(problems)
