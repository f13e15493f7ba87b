"""The providers of home, credentials and processes, called as the engine calls them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

import psutil
import pytest
from pulumi.output import Unknown

from mlops_platform.errors import PlatformError
from mlops_platform.resources.credentials import CredentialsProvider
from mlops_platform.resources.home import OWNER_FILE, HomeProvider
from mlops_platform.resources.identity import IdentityProvider
from mlops_platform.resources.process import ProcessProvider
from mlops_platform.supervision import marks, record


@pytest.fixture
def props(make_service, home):
    """A process's inputs, with numbers as floats, which is what the engine makes of them."""
    wanted = make_service()
    return {
        "name": "tiny", "home": str(home), "command": list(wanted.command), "requested_ports": {"http": 0.0},
        "environment": {"SECRET": "hush"}, "version": "1", "ready": [{"port": "http", "path": "/healthz", "text": ""}],
        "ready_seconds": 60.0, "fixed_distances": {}, "residue": [],
    }  # fmt: skip


@pytest.fixture
def created(props):
    provider = ProcessProvider()
    outputs = provider.create(props).outs
    yield outputs
    provider.delete("tiny", outputs)


def kill(outputs):
    os.kill(outputs["pid"], signal.SIGKILL)
    while marks.is_live(psutil.Process(outputs["pid"])):
        time.sleep(0.02)


def test_process_outputs_say_where_it_is(created, home):
    assert psutil.pid_exists(created["pid"])
    assert created["url"] == f"http://127.0.0.1:{created['port']}"
    assert created["ports"] == {"http": created["port"]}
    assert created["log"] == str(home / "tiny" / "tiny.log")
    assert created["running"] is True
    assert abs(created["create_time"] - time.time()) < 60


def test_variables_may_carry_ports(props):
    variables = {"ADDRESS": "127.0.0.1:{port.http}"}
    outputs = ProcessProvider().create({**props, "environment": variables}).outs
    try:
        environment = psutil.Process(outputs["pid"]).environ()
        assert environment["ADDRESS"] == f"127.0.0.1:{outputs['port']}"
        assert outputs["environment"] == variables
    finally:
        ProcessProvider().delete("tiny", outputs)


def test_an_identity_is_drawn_anew_and_never_changes():
    first, second = (IdentityProvider().create({}).outs for _ in range(2))
    assert first["value"] != second["value"]
    assert IdentityProvider().diff("identity", first, {}).changes is False


def test_nothing_secret_is_written_beside_the_process(created, home):
    assert not any("hush" in file.read_text() for file in home.rglob("*") if file.is_file())


def test_a_running_process_needs_no_change(created, props):
    assert ProcessProvider().diff("tiny", created, props).changes is False
    assert ProcessProvider().read("tiny", created).outs == created


def test_a_killed_process_is_a_change_without_a_refresh(created, props):
    kill(created)
    assert ProcessProvider().diff("tiny", created, props).changes is True


def test_a_refresh_shows_a_killed_process_and_keeps_it_in_the_state(created, props):
    kill(created)
    found = ProcessProvider().read("tiny", created)
    assert found.id == "tiny"
    assert found.outs == {**created, "running": False}
    repaired = ProcessProvider().update("tiny", found.outs, props).outs
    assert repaired["port"] == created["port"]
    assert repaired["running"] is True


def test_a_process_without_a_trace_is_gone(props):
    assert ProcessProvider().read("tiny", {**props, "ports": {}}).id == ""


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"SECRET": "other"}}, {"version": "2"}, {"requested_ports": {"http": 31999.0}},
        {"home": "/elsewhere"}, {"command": ["x"]},
    ],
)  # fmt: skip
def test_what_a_running_process_cant_take_over_is_a_change(created, props, change):
    assert ProcessProvider().diff("tiny", created, {**props, **change}).changes is True


def test_what_a_preview_cant_tell_yet_is_no_change(created, props):
    unknown = {"environment": Unknown(), "command": [*props["command"][:-1], Unknown()]}
    assert ProcessProvider().diff("tiny", created, {**props, **unknown}).changes is False


def test_an_environment_that_was_moved_goes_on_with_its_files_and_without_its_old_processes(
    created, props, home, tmp_path
):
    (home / "tiny" / "data").write_text("precious")
    moved = tmp_path / "moved"
    home.rename(moved)
    found = ProcessProvider().read("tiny", created)
    assert (found.id, found.outs["running"]) == ("tiny", False), "the process at the old place would be forgotten"
    news = {**props, "home": str(moved)}
    outputs = ProcessProvider().update("tiny", created, news).outs
    assert not marks.find(home)
    assert (moved / "tiny" / "data").read_text() == "precious"
    assert outputs["port"] == created["port"]
    ProcessProvider().delete("tiny", outputs)


def test_deleting_a_dead_process_removes_its_folder(props, home):
    outputs = ProcessProvider().create(props).outs
    kill(outputs)
    ProcessProvider().delete("tiny", outputs)
    assert not (home / "tiny").exists()


def test_an_error_shows_its_text_last_and_no_frames_of_the_program(props):
    with pytest.raises(PlatformError) as caught:
        ProcessProvider().create({**props, "command": ["/nowhere"]})
    shown = traceback.format_exception(caught.value)
    assert "service.py" not in "".join(shown)
    assert shown[-1].startswith("mlops_platform.errors.PlatformError: tiny: /nowhere can't be started")


def owned(home, owner="mlops/dev", store="seaweedfs"):
    return {"path": str(home), "owner": owner, "store": store}


def test_home_is_private_and_goes_without_a_trace(home):
    provider = HomeProvider()
    outputs = provider.create(owned(home)).outs
    assert home.stat().st_mode & 0o077 == 0
    assert provider.diff("home", outputs, owned(home)).changes is False
    assert provider.read("home", outputs).id == "home"
    provider.delete("home", outputs)
    assert not home.exists()
    assert provider.read("home", outputs).id == ""


def test_home_takes_away_what_a_crash_has_left_out_of_the_state(home, props):
    outputs = HomeProvider().create(owned(home)).outs
    ProcessProvider().create(props)
    HomeProvider().delete("home", outputs)
    assert not marks.find(home)
    assert not home.exists()


def test_home_stops_what_was_started_but_never_recorded(home):
    outputs = HomeProvider().create(owned(home)).outs
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks.variables(home, "x")}) as process:
        while not marks.find(home):
            time.sleep(0.01)
        HomeProvider().delete("home", outputs)
        assert process.wait(5) == -signal.SIGTERM


def test_home_leaves_files_that_are_not_its_own(home):
    outputs = HomeProvider().create(owned(home)).outs
    (home / "notes.txt").write_text("mine")
    (home / "folder").mkdir()
    HomeProvider().delete("home", outputs)
    assert sorted(path.name for path in home.iterdir()) == ["folder", "notes.txt"]


def test_two_environments_never_share_a_home(home):
    HomeProvider().create(owned(home))
    with pytest.raises(PlatformError, match="belongs to the environment mlops/dev"):
        HomeProvider().create(owned(home, "mlops/prod"))
    HomeProvider().delete("home", owned(home, "mlops/prod"))
    assert json.loads((home / OWNER_FILE).read_text()) == {"owner": "mlops/dev"}


def test_a_project_may_change_its_name(home):
    outputs = HomeProvider().create(owned(home)).outs
    renamed = owned(home, "flights/dev")
    assert HomeProvider().diff("home", outputs, renamed).changes is True
    assert HomeProvider().update("home", outputs, renamed).outs == renamed
    assert HomeProvider().diff("home", renamed, renamed).changes is False


def test_a_home_cant_be_exchanged_under_a_living_environment(home, tmp_path):
    outputs = HomeProvider().create(owned(home)).outs
    with pytest.raises(PlatformError, match=r"folder is .*home, and .*other was asked for"):
        HomeProvider().diff("home", outputs, owned(tmp_path / "other"))


def test_an_environment_stays_with_its_store(home):
    outputs = HomeProvider().create(owned(home)).outs
    with pytest.raises(
        PlatformError, match=r"store is seaweedfs, and minio was asked for.*would be lost\n.*down and up"
    ):
        HomeProvider().diff("home", outputs, owned(home, store="minio"))


def test_a_home_that_was_moved_is_only_a_change(home, tmp_path):
    outputs = HomeProvider().create(owned(home)).outs
    home.rename(tmp_path / "moved")
    assert HomeProvider().diff("home", outputs, owned(tmp_path / "moved")).changes is True


def test_a_home_that_cant_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlatformError, match="The environment's folder can't be made"):
        HomeProvider().create(owned(tmp_path / "file" / "home"))


def test_credentials_are_drawn_anew_and_never_change():
    first, second = (CredentialsProvider().create({}).outs for _ in range(2))
    assert set(first) == {"access_key", "secret_key"}
    assert (len(first["access_key"]), len(first["secret_key"])) == (20, 40)
    assert not set(first.values()) & set(second.values())
    assert CredentialsProvider().diff("credentials", first, {}).changes is False


def test_a_plugin_ends_with_the_engine_that_runs_it(tmp_path):
    """The engine is a script of its name here; as in the real one, there is a script between it and the plugin."""
    import mlops_platform

    infra = os.path.dirname(os.path.dirname(mlops_platform.__file__))
    pid_file = tmp_path / "pid"
    plugin = (
        f"import os, sys, time; sys.path[:0] = {[infra, *sys.path]!r}\n"
        "from mlops_platform.resources import engine_watch; engine_watch.start()\n"
        f"open({str(pid_file)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(pid_file)!r} + '.new', {str(pid_file)!r})\n"
        "time.sleep(60)"
    )
    engine_script = tmp_path / "pulumi"
    engine_script.write_text(f'#!/bin/sh\n{tmp_path}/pulumi-resource-x "$1" &\nsleep 60\n')
    wrapper = tmp_path / "pulumi-resource-x"
    wrapper.write_text('#!/bin/sh\nsh -c "$1"; true\n')
    for script in (engine_script, wrapper):
        script.chmod(0o755)
    (tmp_path / "plugin.py").write_text(plugin)
    engine = subprocess.Popen([str(engine_script), f"{sys.executable} {tmp_path / 'plugin.py'}"])
    engine_children = []
    try:
        deadline = time.monotonic() + 60
        while not pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process = psutil.Process(int(pid_file.read_text()))
        engine_children = psutil.Process(engine.pid).children(recursive=True)
        engine.kill()
        engine.wait()
        deadline = time.monotonic() + 60
        while marks.is_live(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not marks.is_live(process)
    finally:
        engine.kill()
        for child in engine_children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def test_a_folder_without_a_record_is_left_alone_and_one_with_is_ours(home):
    HomeProvider().create(owned(home))
    (home / "ours").mkdir()
    record.save(home / "ours", record.Record(0, 0.0, {}, ""))
    (home / "theirs").mkdir()
    HomeProvider().delete("home", owned(home))
    assert [path.name for path in home.iterdir()] == ["theirs"]
