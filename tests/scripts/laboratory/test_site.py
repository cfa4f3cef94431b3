from __future__ import annotations

from importlib import metadata
from pathlib import Path

import otx
from scripts.laboratory.site import write_metadata


def test_a_checkout_that_is_not_installed_announces_the_same_plugins(tmp_path: Path) -> None:
    written = metadata.PathDistribution(write_metadata(tmp_path))
    assert (written.metadata["Name"], written.version) == ("otx", otx.__version__)
    points = {(p.name, p.value) for p in written.entry_points if p.group == "otx"}
    installed = metadata.distribution("otx").entry_points
    assert points == {(p.name, p.value) for p in installed if p.group == "otx"}
