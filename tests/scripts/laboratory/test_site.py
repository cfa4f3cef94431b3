from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import otx
from scripts.laboratory.site import ROOT, write_metadata


def test_a_checkout_that_is_not_installed_announces_the_same_plugins(tmp_path: Path) -> None:
    written = metadata.PathDistribution(write_metadata(tmp_path))
    assert (written.metadata["Name"], written.version) == ("otx", otx.__version__)
    points = {(p.name, p.value) for p in written.entry_points if p.group == "otx"}
    installed = metadata.distribution("otx").entry_points
    assert points == {(p.name, p.value) for p in installed if p.group == "otx"}


def test_processes_started_from_a_bare_checkout_find_the_plugins_too(tmp_path: Path) -> None:
    # Without site-packages' links to the checkout: a copy of everything installed but otx itself.
    bare = tmp_path / "bare"
    bare.mkdir()
    installed = Path(sysconfig.get_paths()["purelib"])
    for entry in installed.iterdir():
        if not (entry.name.startswith(("otx", "_otx", "__editable__")) or entry.suffix == ".pth"):
            (bare / entry.name).symlink_to(entry)
    checkout = tmp_path / "checkout"
    for name in ("otx", "plugins", "scripts", "pyproject.toml"):
        checkout.mkdir(exist_ok=True)
        (checkout / name).symlink_to(ROOT / name)
    code = (
        f"import sys; sys.path[:0] = [{str(checkout)!r}, {str(checkout / 'plugins')!r}]\n"
        "from pathlib import Path\n"
        "from scripts.laboratory import site\n"
        f"site.SITE = Path({str(tmp_path / 'site')!r})\n"
        "site.enter()\n"
        "import subprocess\n"
        "code = 'from otx.plugin_host.host import installed; print(len(installed()))'\n"
        "sys.exit(subprocess.run([sys.executable, '-S', '-c', code], cwd='/').returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(bare), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    points = metadata.distribution("otx").entry_points.select(group="otx")
    assert done.stdout.strip() == str(len(points))
