"""Where a state is, and whose lock it is: without the engine, with S3 by moto."""

import gzip
import json
import os
import socket
import subprocess
import sys

import boto3
import moto
import pytest
import yaml

from seedbed import spec as specs
from seedbed.environments import stack as stacks
from seedbed.environments import state
from seedbed.environments.aws import remote_state
from seedbed.environments.aws.errors import AwsError
from seedbed.environments.aws.remote_state import Address, RemoteState
from seedbed.environments.project import Project
from seedbed.errors import SpecError

REGION = "eu-west-1"
URL = f"s3://acme-state/teams?region={REGION}"
STACKS = "teams/.pulumi/stacks/mlops-platform"
LOCKS = "teams/.pulumi/locks/organization/mlops-platform"
CONTENT = {"checkpoint": {"latest": {"resources": [{"type": "a", "urn": "b"}]}}}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "infra").mkdir()
    raw = {
        "project": {"name": "X"}, "data": {"source": "x", "target": "y", "features": {"x": "number"}},
        "environments": {"prod": {}},
    }  # fmt: skip
    return Project(tmp_path, specs.parse(raw))


@pytest.fixture
def s3(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket="acme-state", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client


def put(s3, key, content):
    s3.put_object(
        Bucket="acme-state", Key=key, Body=content if isinstance(content, bytes) else json.dumps(content).encode()
    )


def keys(s3):
    return {item["Key"] for item in s3.list_objects_v2(Bucket="acme-state").get("Contents", ())}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://b", Address("b")),
        ("s3://b?region=eu-west-1&awssdk=v2", Address("b", region="eu-west-1")),
        (
            "s3://b/x/y/?endpoint=https://s3.acme:9000&s3ForcePathStyle=true&profile=ml",
            Address("b", "x/y/", endpoint="https://s3.acme:9000", profile="ml", path_style=True),
        ),
    ],
)
def test_urls_as_pulumi_takes_them(url, address):
    assert Address.parse(url) == address


@pytest.mark.parametrize("url", ["https://b", "s3://", "b", "s3://b?role=x", "s3://b?endpoint=s3.acme"])
def test_urls_that_would_be_misunderstood_are_refused(url):
    with pytest.raises(SpecError):
        Address.parse(url)


def test_an_account_s_number_stays_a_text_for_every_reader(project, pulumi):
    """Pulumi reads what isn't quoted as Go does: 012345678901 has no digit 8, and is octal to some."""
    numbers = {"mlops-platform:account": "012345678901", "mlops-platform:s3Port": "0900", "mlops-platform:on": "yes"}
    content = {"secretsprovider": "awskms:///a", "config": {**numbers, "mlops-platform:many": 'a: b #c "d"'}}
    state.write_settings(project, "prod", content)
    assert state.stack_settings(project, "prod") == content
    (project.infra / "Pulumi.yaml").write_text("name: mlops-platform\nruntime: python\n")
    environment = {
        **os.environ, "PULUMI_BACKEND_URL": f"file://{project.root}", "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }  # fmt: skip

    def run(*arguments):
        command = [str(pulumi.path), *arguments, "--stack", "prod"]
        return subprocess.run(command, cwd=project.infra, env=environment, capture_output=True, text=True, check=True)

    del content["secretsprovider"]
    state.write_settings(project, "prod", content)
    run("stack", "init")
    for key, value in content["config"].items():
        assert run("config", "get", key.partition(":")[2]).stdout.strip() == value


def test_the_record_decides(project):
    assert state.state_of(project, "prod").url == ""
    path = state.settings_file(project, "prod")
    path.write_text(yaml.safe_dump({"secretsprovider": "awskms:///x", "config": {state.RECORD: URL}}))
    found = state.state_of(project, "prod")
    assert (found.url, type(found)) == (URL, RemoteState)
    assert state.secrets_provider(project, "prod") == "awskms:///x"
    path.write_text("a: [")
    with pytest.raises(SpecError, match=r"Pulumi\.prod\.yaml can't be read"):
        state.state_of(project, "prod")


def test_what_is_there_and_what_is_not(project, s3):
    found = RemoteState(project, "prod", URL)
    assert (found.exists(), found.content()) == (False, None)
    put(s3, f"{STACKS}/prod.json.gz", gzip.compress(json.dumps(CONTENT).encode()))
    assert json.loads(found.content()) == CONTENT
    put(s3, f"{STACKS}/other.json.zst", b"?")
    with pytest.raises(AwsError, match="zstd"):
        RemoteState(project, "other", URL).exists()


def test_a_bucket_that_cannot_be_read_is_not_an_absence(project, s3):
    gone = RemoteState(project, "prod", "s3://nobodys?region=eu-west-1")
    for ask in (gone.exists, gone.locks):
        with pytest.raises(AwsError, match="nobodys"):
            ask()
    state.settings_file(project, "prod").write_text(yaml.safe_dump({"config": {state.RECORD: gone.url}}))
    with pytest.raises(AwsError):
        stacks.recorded(project, "prod")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"checkpoint": {"lat', b"[]", b'{"checkpoint": {}}', b'{"checkpoint": {"latest": 1}}', b"\xff\x00"],
)
def test_a_spoilt_state_is_never_taken_for_none(project, s3, content):
    local = state.LocalState(project, "prod")
    assert stacks.recorded(project, "prod") == []
    local.file.parent.mkdir(parents=True)
    local.file.write_bytes(content)
    with pytest.raises(state.SpoiltStateError, match="no copy beside it is whole"):
        raise_with_hint(lambda: stacks.recorded(project, "prod"))
    put(s3, f"{STACKS}/prod.json", content)
    remote = RemoteState(project, "prod", URL)
    with pytest.raises(state.SpoiltStateError, match="list-object-versions --bucket acme-state"):
        raise_with_hint(lambda: state.latest(remote, remote.content()))


def raise_with_hint(call):
    try:
        call()
    except state.SpoiltStateError as error:
        raise type(error)(f"{error.message} {error.hint}") from error


def test_the_newest_copy_that_is_whole_is_named(project):
    local = state.LocalState(project, "prod")
    old = local.folder / "backups/mlops-platform/prod/prod.1.json"
    for number, (path, content) in enumerate(
        [(old, CONTENT), (local.file.with_suffix(".json.bak"), {"checkpoint": {"latest": None}}), (local.file, "?")]
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        os.utime(path, (number, number))
    with pytest.raises(state.SpoiltStateError) as raised:
        stacks.recorded(project, "prod")
    assert f"cp '{old}' '{local.file}'" in raised.value.hint


def test_a_packed_state_that_cannot_be_unpacked_is_spoilt(project, s3):
    put(s3, f"{STACKS}/prod.json.gz", b"no gzip")
    remote = RemoteState(project, "prod", URL)
    assert remote.exists()
    with pytest.raises(state.SpoiltStateError):
        state.latest(remote, remote.content())


def test_what_can_t_be_tidied_up_is_said(project, s3, monkeypatch):
    put(s3, f"{STACKS}/prod.json.bak", CONTENT)
    remote = RemoteState(project, "prod", URL)
    monkeypatch.setattr(remote._s3, "delete_objects", lambda **_: {"Errors": [{"Key": "k", "Code": "AccessDenied"}]})
    with pytest.raises(AwsError, match=r"1 objects of its old state stay in bucket acme-state: k: AccessDenied"):
        remote.clean()


def test_tidying_up_touches_this_stack_alone(project, s3):
    own = [
        f"{STACKS}/prod.json.bak", "teams/.pulumi/history/mlops-platform/prod/prod-1.history.json",
        "teams/.pulumi/backups/mlops-platform/prod/prod.1.json", f"{LOCKS}/prod/1.json",
    ]  # fmt: skip
    others = [key.replace("prod", "prod-eu") for key in own] + [key.removeprefix("teams/") for key in own]
    for key in [*own, *others, f"{STACKS}/prod.json"]:
        put(s3, key, CONTENT)
    RemoteState(project, "prod", URL).clean()
    assert keys(s3) == {*others, f"{STACKS}/prod.json"}, "the state itself is the engine's to remove"


@pytest.fixture
def ended():
    """The number of a process that was there and is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def lock(pid, host=None):
    return {
        "pid": pid,
        "username": "ada",
        "hostname": host or socket.gethostname(),
        "timestamp": "2026-01-01T00:00:00Z",
    }


def broken(project, s3, content):
    """Whether a lock with this content is removed."""
    state.settings_file(project, "prod").write_text(yaml.safe_dump({"config": {state.RECORD: URL}}))
    put(s3, f"{LOCKS}/prod/1.json", content)
    stacks.break_dead_lock(project, "prod", lambda _: None)
    return f"{LOCKS}/prod/1.json" not in keys(s3)


def test_a_lock_in_a_bucket_is_broken_only_with_proof(project, s3, ended):
    runs = state.Runs.of(project, "prod")
    assert not broken(project, s3, lock(ended)), "nothing says that it was started here"
    runs.begin(os.getpid())
    assert not broken(project, s3, lock(os.getpid())), "it lives"
    runs.begin(ended)
    assert not broken(project, s3, lock(ended, "another-host"))
    (runs.folder / str(ended)).write_text(f"{socket.gethostname()}\nanother boot, or another container")
    assert not broken(project, s3, lock(ended))
    assert not broken(project, s3, b"{"), "what can't be understood is nobody's to break"
    runs.begin(ended)
    assert broken(project, s3, lock(ended))
    assert not (runs.folder / str(ended)).exists()


def test_notes_of_engines_that_hold_nothing_go(project, s3, ended):
    runs = state.Runs.of(project, "prod")
    runs.begin(ended)
    runs.begin(os.getpid())
    assert broken(project, s3, lock(ended))
    runs.begin(ended)
    stacks.break_dead_lock(project, "prod", lambda _: None)
    assert {path.name for path in runs.folder.iterdir()} == {str(os.getpid())}


def test_a_lock_in_the_folder_is_of_this_machine(project, ended):
    local = state.LocalState(project, "prod")
    folder = local.folder / "locks/organization/mlops-platform/prod"
    folder.mkdir(parents=True)
    kept = {"alive": lock(os.getpid()), "elsewhere": lock(ended, "another-host")}
    for name, content in {**kept, "dead": lock(ended)}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "unreadable.json").write_text("{")
    stacks.break_dead_lock(project, "prod", lambda _: None)
    assert {path.stem for path in folder.iterdir()} == {*kept, "unreadable"}


def test_the_shell_of_another_environment_changes_nothing(project, monkeypatch):
    from pathlib import Path

    from seedbed.toolchain import PulumiCli

    monkeypatch.setenv("PULUMI_BACKEND_URL", URL)
    cli = PulumiCli(Path("/x/pulumi"), "3.259.0", "PATH")
    assert stacks.process_environment(project, "prod", cli)["PULUMI_BACKEND_URL"] == ""
    state.settings_file(project, "prod").write_text(
        yaml.safe_dump({"secretsprovider": "awskms:///x", "config": {state.RECORD: URL}})
    )
    found = stacks.process_environment(project, "prod", cli)
    assert found["PULUMI_BACKEND_URL"] == URL
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in found


def test_the_bucket_has_a_valid_name_for_the_longest_project():
    from seedbed.environments.aws import state_store

    name = state_store.bucket_name("a" * 40, "123456789012", "ap-southeast-2")
    assert len(name) == 63
    assert name != state_store.bucket_name("a" * 40, "123456789012", "ap-southeast-1")
    assert remote_state.Address.parse(f"s3://{name}").bucket == name
