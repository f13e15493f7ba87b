import os
import signal
import subprocess
import sys
import time

import pytest

from seedbed.errors import ConflictError
from seedbed.publish import staged

# Fills the destination given as first argument slowly, so that it can be interrupted half-way.
SLOW = """
import pathlib, sys, time
from seedbed.publish import staged
try:
    with staged(pathlib.Path(sys.argv[1])) as tree:
        (tree / "half").write_text("x")
        print("half", flush=True)
        while True:  # a signal between two instructions doesn't end the sleep that comes next
            time.sleep(0.05)
except KeyboardInterrupt:
    sys.exit(130)
"""


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def start(destination):
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(destination)], stdout=subprocess.PIPE, text=True)
    with process.stdout as stdout:
        assert stdout.readline() == "half\n"
    return process


def test_the_destination_appears_whole(tmp_path):
    with staged(tmp_path / "parent" / "project") as tree:
        (tree / "file").write_text("x")
        assert not (tmp_path / "parent" / "project").exists()
    assert entries(tmp_path / "parent") == ["project"]
    assert entries(tmp_path / "parent" / "project") == ["file"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "project") as tree:
        (tree / "file").write_text("x")
        _ = 1 / 0
    assert entries(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(tmp_path, number):
    process = start(tmp_path / "project")
    process.send_signal(number)
    assert process.wait(60) == 130
    assert entries(tmp_path) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    process = start(tmp_path / "project")
    process.kill()
    process.wait(60)
    assert len(entries(tmp_path)) == 1
    assert entries(tmp_path)[0].startswith(".seedbed-staging-")
    with staged(tmp_path / "project") as tree:
        (tree / "file").write_text("x")
    assert entries(tmp_path) == ["project"]


def test_a_living_neighbour_is_left_alone(tmp_path):
    process = start(tmp_path / "first")
    with staged(tmp_path / "second") as tree:
        (tree / "file").write_text("x")
    assert len(entries(tmp_path)) == 2
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert entries(tmp_path) == ["second"]


def test_an_empty_folder_is_a_fine_destination(tmp_path):
    (tmp_path / "project").mkdir()
    with staged(tmp_path / "project") as tree:
        (tree / "file").write_text("x")
    assert entries(tmp_path / "project") == ["file"]


def test_whatever_holds_something_is_refused_and_kept(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mine").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("project", "file", "link"):
        with pytest.raises(ConflictError), staged(tmp_path / name):
            pytest.fail("must not be reached")
    assert (folder / "mine").read_text() == (tmp_path / "file").read_text() == "precious"
    assert entries(tmp_path) == ["file", "link", "project"]


def test_someone_who_takes_the_destination_meanwhile_keeps_it(tmp_path):
    with pytest.raises(ConflictError, match="not empty"), staged(tmp_path / "project") as tree:
        (tree / "file").write_text("x")
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "theirs").write_text("x")
    assert entries(tmp_path / "project") == ["theirs"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_parent_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConflictError, match="Nothing can be written"), staged(tmp_path / "project"):
        time.sleep(0)
    tmp_path.chmod(0o700)
