"""The rule by which an iterative solver stops."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stopping:
    """When a solver stops working on a problem.

    Each problem of a batch stops on its own. A problem that reaches ``max_iterations`` first is returned as it is,
    with ``converged=False``; no solver raises or warns about it.

    Attributes:
        tolerance: Largest L1 error of the marginals, in mass, at which a problem counts as converged.
        max_iterations: Largest number of iterations per problem.

    Example:
        >>> Stopping().max_iterations
        200
        >>> Stopping(tolerance=1e-4).with_limit(20)
        Stopping(tolerance=0.0001, max_iterations=20)
    """

    tolerance: float = 1e-6
    max_iterations: int = 200

    def with_limit(self, max_iterations: int) -> Stopping:
        """Return the rule with the same tolerance and another limit.

        Args:
            max_iterations: Largest number of iterations per problem.

        Returns:
            The new rule.
        """
        return Stopping(self.tolerance, max_iterations)


DEFAULT = Stopping()
"""The rule of the solvers that converge fast: balanced and unbalanced entropic transport."""
