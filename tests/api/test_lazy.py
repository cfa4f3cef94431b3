"""`import otx` is light, typed and says what there is."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import otx

HEAVY = "torch transformers datasets ot pandas pyarrow"


def test_importing_otx_imports_nothing_heavy() -> None:
    code = (
        "import sys, otx\n"
        "otx.align, otx.evaluate, otx.compare, otx.predict, otx.load_encoder, otx.load_run\n"
        "names = [entry.name for entry in otx.list_objectives()]\n"
        "assert 'sinkhorn' in names\n"
        f"print([name for name in '{HEAVY}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had() -> None:
    for name in otx.__all__:
        assert getattr(otx, name) is not None
        assert name in dir(otx)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'otx' has no attribute 'aling'"):
        otx.aling  # noqa: B018


def test_help_teaches_every_function() -> None:
    text = pydoc.plain(pydoc.render_doc(otx))
    for name in otx.__all__:
        assert name in text
    for part in ("otx.align(", "otx.evaluate(", "otx.compare(", "Args:", "Returns:"):
        assert part in text


def test_the_package_is_typed() -> None:
    assert (Path(otx.__file__).parent / "py.typed").is_file()
