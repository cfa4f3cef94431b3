"""otx: cross-lingual alignment of multilingual encoders with optimal transport and its rivals."""

import pluggy

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("otx")
"""Marks a plugin's hook implementations."""
