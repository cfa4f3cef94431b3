"""Transport mathematics on torch alone: costs, masses, balanced and unbalanced entropic solvers."""
