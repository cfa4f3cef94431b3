"""Evaluate encoders on tasks: features, fine-tuning, scores of every example, prediction."""
