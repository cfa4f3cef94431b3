"""The encoders arrive through the hook; listing them imports nothing heavy."""

import subprocess
import sys

import otx_encoders
from otx.plugin_host.registry import Registry
from otx_encoders.options import EncoderOptions


def test_the_encoders_are_registered_by_target() -> None:
    registry = Registry("otx")
    otx_encoders.otx_register(registry)
    entries = registry.entries("encoder")
    assert {entry.name for entry in entries} == {"mini", "e5-small", "huggingface"}
    for entry in entries:
        assert callable(entry.load()) and entry.summary
        assert entry.options is EncoderOptions


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, otx_encoders\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'numpy'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
