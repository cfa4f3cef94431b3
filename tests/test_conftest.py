"""Check the session's set-up: no network, and a skip for lack of data that exists is a failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_no_socket_leaves_this_machine() -> None:
    with pytest.raises(OSError, match="no network"):
        socket.getaddrinfo("example.org", 443)
    with pytest.raises(OSError, match="no network"), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))


def test_a_socket_to_this_machine_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(("data", "workers"), [(True, "0"), (True, "2"), (False, "0")])
def test_a_skip_for_want_of_data_that_is_there_fails_the_session(
    tmp_path: Path, data: bool, workers: str
) -> None:
    """Of a test and of a whole module, with and without pytest-xdist."""
    tests = tmp_path / "project" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "conftest.py", tests)
    (tests / "test_it.py").write_text(
        "import pytest\n"
        "def test_one(): pytest.skip('shared data absent: no such file')\n"
        "def test_two(): pass\n"
    )
    (tests / "test_whole.py").write_text(
        "import pytest\n"
        "pytest.skip('shared data absent: no such folder', allow_module_level=True)\n"
    )
    if data:
        (tmp_path / "shared" / "data").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", workers, "--rootdir", str(tests), str(tests)],
        env={**os.environ, "PYTEST_ADDOPTS": "", "OTX_TEST_DATA": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 tests were skipped" in done.stdout
    assert "1  shared data absent: no such file" in done.stdout
    assert "1  shared data absent: no such folder" in done.stdout
    assert done.returncode == (1 if data else 0), done.stdout
