"""Environment variables about plugins; the command line reads them before it imports anything else."""

from __future__ import annotations

ONLY, STRICT = "OTX_PLUGINS", "OTX_PLUGINS_STRICT"
"""The only plugins to load, and whether a plugin that fails is an error."""
FILES = "OTX_PLUGIN_FILES"
"""The plugin files to load, separated as in PATH; processes that this one starts inherit it."""
