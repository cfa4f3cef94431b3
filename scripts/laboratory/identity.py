"""Compute the digest of an encoder in a separate process, so that the runner never loads a model.

python -m scripts.laboratory.identity MODEL
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from otx.errors import DataError


def model_digest(model: str, path: Sequence[str]) -> str:
    """Return the digest of an encoder.

    Args:
        model: Reference of the encoder, as ``--model`` takes it.
        path: Import path of the process.

    Returns:
        The digest, in hex.

    Raises:
        DataError: If the encoder cannot be opened.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, model],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"the encoder {model} cannot be opened: {reason}")
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Print the digest of the encoder on the command line."""
    from otx.config.settings import load_settings
    from otx.plugin_host.host import host
    from otx.training.factories import open_encoder

    settings = load_settings()
    print(open_encoder(sys.argv[1], host(settings).registry, settings).digest())


if __name__ == "__main__":
    main()
