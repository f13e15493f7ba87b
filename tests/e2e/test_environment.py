"""One environment through its life with the real engine: up, damage, repair, misuse, down, and the proof."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from tests.conftest import run
from tests.e2e import oci

from seedbed.environments import inventory

pytestmark = [pytest.mark.engine, pytest.mark.project]
REGISTRY = shutil.which("docker-registry") or shutil.which("registry")
# The folder, the store's keys, process and two buckets, MLflow, and the registry where this machine has one.
RESOURCES = 6 + bool(REGISTRY)
needs_registry = pytest.mark.skipif(not REGISTRY, reason="no container registry here (Debian: docker-registry)")


@pytest.fixture(scope="module")
def root(made, pulumi):
    """The project; whatever a test does to its environment, nothing of it stays behind."""
    yield made.root
    home = made.root / ".seedbed" / "environments" / "dev"
    for pid in inventory.marked_processes(home):
        os.kill(pid, signal.SIGKILL)


def runs(pid):
    """Whether a process runs; one that ended and that nobody waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ok(result):
    assert result.code == 0, result.out + result.err
    return result


def process(seedbed, root, name):
    status = ok(seedbed("status", "dev", "--json", cwd=root)).json
    return next(p for p in status["processes"] if p["name"] == name)


def test_preview_shows_and_changes_nothing(seedbed, root):
    result = ok(seedbed("preview", "dev", cwd=root))
    assert "store" in result.err
    assert "to create" in result.err
    assert f"would change: {RESOURCES} create" in result.out
    assert not (root / ".seedbed" / "environments").exists()
    assert seedbed("status", "dev", cwd=root).code == 7


def test_up_brings_store_and_tracking_up(seedbed, root):
    result = ok(seedbed("up", "dev", cwd=root))
    assert f"{RESOURCES} create" in result.out
    assert ("Note: No container registry" in result.err) == (not REGISTRY)
    values = ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json
    with urllib.request.urlopen(values["MLFLOW_TRACKING_URI"] + "/health") as response:
        assert response.status == 200
    assert values["DATA_BUCKET"] == "penguin-species-dev-data"
    assert values["AWS_SECRET_ACCESS_KEY"] not in result.out + result.err


def test_no_secret_is_written_in_plain_text(seedbed, root):
    values = ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json
    passphrase = (root / ".seedbed" / "passphrase").read_text()
    assert (root / ".seedbed" / "passphrase").stat().st_mode & 0o077 == 0
    state = [p for p in (root / ".seedbed" / "state").rglob("*") if p.is_file()]
    logs = list((root / ".seedbed" / "environments").rglob("*.log"))
    assert state
    assert logs
    for path in [*state, *logs, *(root / "infra").rglob("Pulumi*.yaml")]:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert values["AWS_SECRET_ACCESS_KEY"] not in text, path
        assert passphrase not in text, path


def test_up_again_changes_nothing(seedbed, root):
    before = process(seedbed, root, "store")["pid"]
    result = ok(seedbed("up", "dev", "--json", cwd=root)).json
    assert result["changes"] == {}
    assert result["unchanged"] == RESOURCES
    assert process(seedbed, root, "store")["pid"] == before


def plainly(root, pulumi, *arguments):
    env = {
        "PATH": os.pathsep.join([str(root / ".venv/bin"), str(pulumi.folder), os.environ["PATH"]]),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(root / ".seedbed/passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    return run([pulumi.path, *arguments, "--stack", "dev", "--yes", "--non-interactive"], root / "infra", env)


def test_plain_pulumi_sees_the_same_environment(root, pulumi):
    result = plainly(root, pulumi, "up", "--expect-no-changes")
    assert result.returncode == 0, result.stdout


def test_a_killed_store_shows_and_is_repaired_with_its_data(seedbed, root):
    values = ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json
    client = s3(values)
    client.put_object(Bucket=values["DATA_BUCKET"], Key="kept", Body=b"precious")
    os.kill(process(seedbed, root, "store")["pid"], signal.SIGKILL)
    assert "DEAD" in ok(seedbed("status", "dev", cwd=root)).out
    drift = ok(seedbed("refresh", "dev", cwd=root))
    assert "store" in drift.err
    assert "has changed" in drift.err
    assert "has drifted" in drift.out
    assert ok(seedbed("up", "dev", "--json", cwd=root)).json["changes"] == {"update": 1}
    values = ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json
    assert s3(values).get_object(Bucket=values["DATA_BUCKET"], Key="kept")["Body"].read() == b"precious"
    assert ok(seedbed("refresh", "dev", "--json", cwd=root)).json["changes"] == {}


def s3(values):
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=values["AWS_ENDPOINT_URL"], region_name=values["AWS_REGION"],
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"], aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip


@needs_registry
def test_a_pushed_artifact_is_there_after_the_registry_was_killed(seedbed, root):
    values = ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json
    assert values["REGISTRY"] == f"127.0.0.1:{process(seedbed, root, 'registry')['port']}"
    content = b"a model"
    digest = oci.push(values["REGISTRY"], "models/penguins", "v1", content)
    os.kill(process(seedbed, root, "registry")["pid"], signal.SIGKILL)
    assert ok(seedbed("up", "dev", "--json", cwd=root)).json["changes"] == {"update": 1}
    assert ok(seedbed("outputs", "dev", "--format", "json", cwd=root)).json["REGISTRY"] == values["REGISTRY"]
    assert oci.pull(values["REGISTRY"], "models/penguins", "v1") == (digest, content)


@needs_registry
def test_a_registry_whose_program_is_gone_keeps_its_images(seedbed, root, tmp_path):
    everything_else = tmp_path / "bin"
    everything_else.mkdir()
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in os.scandir(folder) if os.path.isdir(folder) else ():
            if program.name not in {"docker-registry", "registry"}:
                link = everything_else / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program.path)
    before = process(seedbed, root, "registry")["pid"]
    result = seedbed("up", "dev", cwd=root, env={"PATH": str(everything_else)})
    assert result.code == 7
    assert "its program is no longer on PATH" in result.err
    assert process(seedbed, root, "registry")["pid"] == before


def test_a_wrong_passphrase_changes_nothing(seedbed, root):
    before = process(seedbed, root, "store")["pid"]
    result = seedbed("up", "dev", cwd=root, env={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert result.code == 3
    assert "passphrase does not open" in result.err
    assert process(seedbed, root, "store")["pid"] == before


def test_a_spoilt_state_is_named_and_brought_back_by_the_command_that_is_told(seedbed, root):
    before = process(seedbed, root, "store")["pid"]
    path = next((root / ".seedbed/state/.pulumi/stacks").glob("*/dev.json"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for command in (["up", "dev"], ["status", "dev"], ["down", "dev", "--yes"], ["refresh", "dev"], ["outputs", "dev"]):
        result = seedbed(*command, "--json" if command[0] != "outputs" else "--format=json", cwd=root)
        assert result.code == 7, command
        assert "is spoilt" in result.out + result.err
    assert path.read_bytes() == whole[: len(whole) // 2], "nothing was changed"
    command = re.search(r"cp '.+?' '.+?'", seedbed("status", "dev", cwd=root).err.replace("\n", " "))
    assert run(["sh", "-c", command[0]], root).returncode == 0
    ok(seedbed("refresh", "dev", cwd=root))
    assert process(seedbed, root, "store")["pid"] == before
    assert ok(seedbed("up", "dev", "--json", cwd=root)).json["changes"] == {}


def test_a_lost_passphrase_is_named(seedbed, root):
    path = root / ".seedbed" / "passphrase"
    kept = path.rename(path.with_name("kept"))
    try:
        result = seedbed("up", "dev", cwd=root)
    finally:
        kept.rename(path)
    assert result.code == 3
    assert "is gone" in result.err


def test_a_second_writer_is_refused(seedbed, root):
    state = root / ".seedbed" / "state" / ".pulumi"
    os.kill(process(seedbed, root, "mlflow")["pid"], signal.SIGKILL)  # so that the first one has something to do
    first = subprocess.Popen(
        [sys.executable, "-m", "seedbed", "up", "dev"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not list(state.glob("locks/**/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = seedbed("up", "dev", cwd=root)
    out, err = first.communicate(timeout=180)
    assert first.returncode == 0, out + err
    assert second.code == 5
    assert "Somebody else is changing" in second.err
    assert "(pid " in second.err


def wait_for_another_mlflow(home, killed):
    """Until the engine is in the middle of starting one."""
    deadline = time.monotonic() + 300
    while not any(
        "mlflow server" in command and pid != killed for pid, command in inventory.marked_processes(home).items()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_during_up_leaves_a_state_that_up_completes(seedbed, root):
    home = root / ".seedbed" / "environments" / "dev"
    killed = process(seedbed, root, "mlflow")["pid"]
    os.kill(killed, signal.SIGKILL)
    running = subprocess.Popen(
        [sys.executable, "-m", "seedbed", "up", "dev"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_another_mlflow(home, killed)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=180)
    assert running.returncode == 130, err
    assert not list((root / ".seedbed" / "state" / ".pulumi").glob("locks/**/*.json"))
    ok(seedbed("up", "dev", cwd=root))
    assert ok(seedbed("status", "dev", "--json", cwd=root)).json["healthy"]
    servers = [c for c in inventory.marked_processes(home).values() if "mlflow server" in c]
    assert len(servers) == 1


def test_a_killed_run_is_recovered_by_the_next(seedbed, root):
    """kill -9 of seedbed and of the engine, in the middle of starting MLflow: nothing twice, no lock that stays."""
    state, home = root / ".seedbed" / "state" / ".pulumi", root / ".seedbed" / "environments" / "dev"
    killed = process(seedbed, root, "mlflow")["pid"]
    os.kill(killed, signal.SIGKILL)
    running = psutil.Popen(
        [sys.executable, "-m", "seedbed", "up", "dev"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_another_mlflow(home, killed)
    engine = next(child for child in running.children(recursive=True) if child.name() == "pulumi")
    running.kill()
    engine.kill()
    running.wait(20)
    assert list(state.glob("locks/**/*.json"))
    again = ok(seedbed("up", "dev", cwd=root))
    assert "left its lock: removing it" in again.err
    assert ok(seedbed("status", "dev", "--json", cwd=root)).json["healthy"]
    assert len([c for c in inventory.marked_processes(home).values() if "mlflow server" in c]) == 1


def test_down_asks_and_protection_holds(seedbed, root):
    assert seedbed("down", "dev", cwd=root).code == 5
    spec = root / "seedbed.toml"
    text = spec.read_text()
    spec.write_text(text.replace("protect = false", "protect = true"))
    try:
        result = seedbed("down", "dev", "--yes", cwd=root)
    finally:
        spec.write_text(text)
    assert result.code == 5
    assert "--confirm dev" in result.err
    assert ok(seedbed("status", "dev", "--json", cwd=root)).json["healthy"]


def test_down_names_what_it_could_not_remove(seedbed, root):
    home = root / ".seedbed" / "environments" / "dev"
    stray = subprocess.Popen(["sleep", "3600"], env={**os.environ, inventory.HOME_VARIABLE: str(home)})
    try:
        result = seedbed("down", "dev", "--yes", "--json", cwd=root)
        assert result.code == 7
        assert result.json["error"]["leftovers"] == [f"process {stray.pid}: sleep 3600"]
    finally:
        stray.kill()
        stray.wait()


def test_down_leaves_nothing_and_says_so_twice(seedbed, root):
    ok(seedbed("up", "dev", cwd=root))
    before = ok(seedbed("status", "dev", "--json", cwd=root)).json
    os.kill(
        next(p["pid"] for p in before["processes"] if p["name"] == "store"), signal.SIGKILL
    )  # a dead store is no excuse
    result = ok(seedbed("down", "dev", "--yes", cwd=root))
    assert "none is left" in result.out
    assert not any(runs(p["pid"]) for p in before["processes"])
    assert not (root / ".seedbed" / "environments" / "dev").exists()
    left = [p for p in (root / ".seedbed" / "state").rglob("*") if p.is_file() and "dev" in p.name]
    assert left == []
    again = ok(seedbed("down", "dev", "--yes", "--json", cwd=root)).json
    assert again["leftovers"] == []


def test_what_the_engine_protects_goes_only_with_a_protected_environment_whose_name_is_typed(seedbed, root, pulumi):
    ok(seedbed("up", "dev", cwd=root))
    result = plainly(root, pulumi, "state", "protect", "--all")
    assert result.returncode == 0, result.stdout
    refused = seedbed("down", "dev", "--yes", cwd=root)
    assert refused.code == 5
    assert "is told to keep" in refused.err
    assert ok(seedbed("status", "dev", "--json", cwd=root)).json["healthy"]
    spec = root / "seedbed.toml"
    text = spec.read_text()
    spec.write_text(text.replace("protect = false", "protect = true"))
    try:
        result = ok(seedbed("down", "dev", "--yes", "--confirm", "dev", cwd=root))
    finally:
        spec.write_text(text)
    assert "none is left" in result.out


def test_a_preview_that_fails_leaves_no_state(seedbed, root):
    program = root / "infra/__main__.py"
    text = program.read_text()
    program.write_text(f"{text}\nraise RuntimeError('not today')\n")
    try:
        result = seedbed("preview", "dev", cwd=root)
    finally:
        program.write_text(text)
    assert result.code == 7
    assert "not today" in result.out + result.err
    assert not list((root / ".seedbed/state/.pulumi/stacks").glob("*/dev.json"))


def test_a_busy_port_is_named_with_its_holder(seedbed, root):
    import socket

    spec = root / "seedbed.toml"
    text = spec.read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        spec.write_text(text.replace("s3_port = 0", f"s3_port = {port}"))
        try:
            result = seedbed("up", "dev", cwd=root)
        finally:
            spec.write_text(text)
    assert result.code == 7
    assert f"port {port} on 127.0.0.1 is in use" in result.err
    assert str(os.getpid()) in result.err
    ok(seedbed("down", "dev", "--yes", cwd=root))


def test_without_a_cli_the_error_says_how_to_get_one(seedbed, root, tmp_path):
    env = {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/bin", "/bin"]),
        "SEEDBED_CACHE": str(tmp_path),
    }
    result = seedbed("status", "dev", "--json", cwd=root, env=env)
    assert result.code == 6
    assert "doctor --fix" in json.loads(result.out)["error"]["hint"]
