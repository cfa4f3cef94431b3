"""Train a model: the loop, checkpoints, freezing, LoRA, and auxiliary encoders."""
