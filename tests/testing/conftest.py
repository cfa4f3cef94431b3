"""The engine's tiny encoder, for the checks of encoders and tasks."""

from pathlib import Path

import pytest

from tests.tiny import save_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer of 16 dimensions with the embedded encoder's tokenizer, as a Hugging Face folder."""
    return save_tiny_model(
        tmp_path_factory.mktemp("tiny"),
        hidden_size=16,
        intermediate_size=24,
        max_position_embeddings=258,
        initializer_range=0.2,
    )
