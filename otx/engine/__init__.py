"""The engine: one training loop, alignment, evaluation, exact checkpoints, guards."""
