"""The encoders arrive through the hook; listing them imports nothing heavy."""

import subprocess
import sys
from dataclasses import is_dataclass
from typing import Any

import otx_encoders
from otx_encoders import EncoderOptions


class Recorder:
    """Stands in for the registry."""

    def __init__(self) -> None:
        self.encoders: dict[str, tuple[str, Any]] = {}

    def encoder(self, name: str, target: str, summary: str, options: Any = None) -> None:
        assert summary
        self.encoders[name] = target, options


def test_the_encoders_are_registered_by_target() -> None:
    registry = Recorder()
    otx_encoders.otx_register(registry)
    assert set(registry.encoders) == {"mini", "e5-small", "huggingface"}
    for target, options in registry.encoders.values():
        module, _, name = target.partition(":")
        assert callable(getattr(__import__(module, fromlist=[name]), name))
        assert options is EncoderOptions and is_dataclass(options)


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, otx_encoders\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'numpy'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
