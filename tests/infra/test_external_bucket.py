"""Buckets in a store that somebody else runs: real servers, which the test starts in the place of theirs."""

import socket

import pytest
from pulumi.output import Unknown
from tests.infra.conftest import KEYS

from mlops_platform.errors import PlatformError
from mlops_platform.resources import emptying, s3
from mlops_platform.resources.external_bucket import MARK, ExternalBucketProvider
from mlops_platform.resources.process import ProcessProvider
from mlops_platform.supervision import marks

OURS, THEIRS = "identity-of-this-environment", "identity-of-another"
provider = ExternalBucketProvider()


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def endpoint(store_props, tmp_path_factory, request):
    home = tmp_path_factory.mktemp("external-home")
    outputs = ProcessProvider().create(store_props(request.param, home)).outs
    yield outputs["url"]
    ProcessProvider().delete("store", outputs)
    assert not marks.find(home)


@pytest.fixture
def props(endpoint, request):
    wanted = {
        "bucket": f"test-{abs(hash(request.node.name))}", "existing": False, "endpoint": endpoint,
        "region": "us-east-1", "owner": OURS, **KEYS,
    }  # fmt: skip
    yield wanted
    for name in (wanted["bucket"], "another"):
        s3.delete_bucket(s3.connect(wanted), name)


@pytest.fixture
def client(props):
    return s3.connect(props)


@pytest.fixture
def created(props):
    return provider.create(props).outs


@pytest.fixture
def existing(props, client):
    """A bucket of somebody else's with an object, and the inputs that name it."""
    client.create_bucket(Bucket=props["bucket"])
    client.put_object(Bucket=props["bucket"], Key="theirs", Body=b"precious")
    return {**props, "existing": True}


def state(props):
    return s3.versioning(s3.connect(props), props["bucket"])


def keys(props):
    return [entry["Key"] for entry in s3.connect(props).list_objects_v2(Bucket=props["bucket"]).get("Contents", [])]


def test_a_bucket_that_is_made_keeps_versions_and_goes_with_everything_in_it(created, props, client, monkeypatch):
    monkeypatch.setattr(emptying, "_BATCH", 10)
    assert created == {**props, "versioning": "Enabled"}
    assert provider.diff("b", created, props).changes is False
    assert provider.read("b", created).outs == created
    for number in range(25):
        client.put_object(Bucket=props["bucket"], Key=f"{number}", Body=b"one")
    client.put_object(Bucket=props["bucket"], Key="0", Body=b"two")
    client.delete_object(Bucket=props["bucket"], Key="1")
    provider.delete("b", created)
    assert state(props) is None
    provider.delete("b", created)  # what is gone is as good as deleted


def test_a_run_that_was_cut_short_finds_its_bucket_again(created, props, client):
    client.put_object(Bucket=props["bucket"], Key="k", Body=b"precious")
    assert provider.create(props).outs == created
    assert keys(props) == [MARK, "k"]


@pytest.mark.parametrize("mark", [None, THEIRS])
def test_a_bucket_of_somebody_else_is_not_taken_for_ours(props, client, mark):
    client.create_bucket(Bucket=props["bucket"])
    if mark:
        client.put_object(Bucket=props["bucket"], Key=MARK, Body=mark.encode())
    with pytest.raises(PlatformError, match=r"is there already, and not this environment's\n.*data_bucket"):
        provider.create(props)
    assert state(props) == "", "nothing about it has changed"


def test_an_existing_bucket_is_used_and_never_touched(existing):
    outputs = provider.create(existing).outs
    assert outputs == {**existing, "versioning": ""}
    assert provider.diff("b", outputs, existing).changes is False
    assert provider.read("b", outputs).outs == outputs
    provider.delete("b", outputs)
    assert keys(existing) == ["theirs"]
    assert state(existing) == ""


def test_an_existing_bucket_that_isnt_there_is_an_error(props):
    with pytest.raises(PlatformError, match=r"There is no bucket .* at http://127.*\n.*without a name, one is made"):
        provider.create({**props, "existing": True})


def test_a_bucket_that_lost_its_mark_is_not_emptied(created, props, client):
    client.put_object(Bucket=props["bucket"], Key="k", Body=b"precious")
    client.put_object(Bucket=props["bucket"], Key=MARK, Body=THEIRS.encode())
    with pytest.raises(PlatformError, match="no longer carries this environment's mark .* nothing in it was deleted"):
        provider.delete("b", created)
    client.delete_object(Bucket=props["bucket"], Key=MARK)
    with pytest.raises(PlatformError, match="no longer carries this environment's mark"):
        provider.delete("b", created)
    assert keys(props) == ["k"]
    # The way out that the message tells: named in the spec, it stays.
    kept = provider.update("b", created, {**props, "existing": True}).outs
    provider.delete("b", kept)
    assert keys(props) == ["k"]


def test_an_empty_bucket_of_another_environment_is_left_alone(created, props, client):
    client.put_object(Bucket=props["bucket"], Key=MARK, Body=THEIRS.encode())
    with pytest.raises(PlatformError, match="no longer carries this environment's mark"):
        provider.delete("b", created)
    assert keys(props) == [MARK]


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(created, props, client):
    emptying.empty(client, props["bucket"], remedy="")
    provider.delete("b", created)
    assert state(props) is None


def test_a_full_bucket_cant_be_exchanged_for_another_and_an_empty_one_can(created, props, client):
    wanted = {**props, "bucket": "another"}
    assert provider.diff("b", created, wanted).replaces == ["bucket"]
    client.put_object(Bucket=props["bucket"], Key="k", Body=b"precious")
    with pytest.raises(PlatformError, match="holds objects, and would be deleted since its name is to change"):
        provider.diff("b", created, wanted)
    assert provider.diff("b", {**created, "existing": True}, wanted).replaces == ["bucket"], "that one would stay"


def test_a_deleted_bucket_and_suspended_versioning_are_found_and_put_right(created, props, client):
    client.put_bucket_versioning(Bucket=props["bucket"], VersioningConfiguration={"Status": "Suspended"})
    assert provider.read("b", created).outs["versioning"] == "Suspended"
    assert provider.diff("b", created, props).changes is True
    assert provider.update("b", created, props).outs == created
    s3.delete_bucket(client, props["bucket"])
    assert provider.read("b", created).id == ""
    assert provider.diff("b", created, props).changes is True
    assert provider.update("b", created, props).outs == created


def test_another_store_is_refused_where_the_bucket_isnt(created, props, client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        elsewhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
    assert provider.diff("b", created, {**props, "endpoint": elsewhere}).changes is True
    with pytest.raises(PlatformError, match=r"doesn't answer.*\n.*s3_endpoint"):
        provider.update("b", created, {**props, "endpoint": elsewhere})
    # The same store by another address is no other store.
    by_name = {**props, "endpoint": props["endpoint"].replace("127.0.0.1", "localhost")}
    assert provider.update("b", created, by_name).outs["endpoint"] == by_name["endpoint"]
    s3.delete_bucket(client, props["bucket"])
    with pytest.raises(PlatformError, match="An environment stays with its store"):
        provider.update("b", created, by_name)


def test_keys_that_dont_open_the_store_are_an_error_and_delete_nothing(created, props):
    wrong = {**created, "secret_key": "wrong"}
    for operation in (
        provider.create,
        lambda p: provider.read("b", p),
        lambda p: provider.delete("b", p),
        lambda p: provider.diff("b", p, p),
    ):
        with pytest.raises(PlatformError, match=r"SignatureDoesNotMatch.*\n.*AWS_ACCESS_KEY_ID.* right to do this"):
            operation(wrong)
    assert state(props) == "Enabled"
    assert provider.diff("b", wrong, props).changes is True, "new keys are taken over"
    assert provider.update("b", wrong, props).outs == created


def test_an_identity_that_a_preview_cant_tell_is_no_change(created, props):
    assert provider.diff("b", created, {**props, "owner": Unknown()}).changes is False


def test_addresses_of_the_persons_own_have_no_say_and_the_way_there_has(props, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:1\n[profile x]\nregion = moon\n")
    for name, value in {
        "AWS_PROFILE": "there-is-none", "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    provider.create(props)
    assert state(props) == "Enabled"
    assert s3.connect_external({**props, "endpoint": ""}).meta.endpoint_url == "https://s3.amazonaws.com"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(PlatformError, match=r"doesn't answer"):
        provider.create(props)


def test_a_region_is_told_when_a_bucket_is_made_there(props):
    requests = []
    wanted = {**props, "region": "eu-west-1"}
    real = s3.connect_external(wanted)
    real.meta.events.register("before-call.s3.CreateBucket", lambda params, **_: requests.append(params["body"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3, "connect_external", lambda _: real)
        try:
            provider.create(wanted)
        except PlatformError as error:  # a server that knows its own region refuses another, by name
            assert "region" in str(error).lower()
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in requests[0]
