"""Train a model: the loop, checkpoints, freezing, LoRA, and the encoders that are read beside it."""
