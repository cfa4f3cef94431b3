"""The session: settings, plugins, and the receiver of progress."""

from __future__ import annotations

from dataclasses import dataclass, field

from otx.config.settings import Settings
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter, Silent


@dataclass(frozen=True, slots=True)
class Session:
    """Settings, plugins and reporter of one command, or of one call from Python.

    ``align``, ``evaluate``, ``link`` and their like receive a session; the functions that they call receive only the
    table of settings that they read.

    Attributes:
        settings: The effective settings.
        host: The loaded plugins.
        reporter: Receives stages, progress and notices; silent by default.
    """

    settings: Settings
    host: PluginHost
    reporter: Reporter = field(default_factory=Silent)

    @property
    def registry(self) -> Registry:
        """The names that the plugins registered."""
        return self.host.registry
