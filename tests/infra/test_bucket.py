"""Buckets against real servers, which are started as the object store's component starts them."""

import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest
from pulumi.output import Unknown
from tests.infra.conftest import KEYS

from mlops_platform.errors import PlatformError
from mlops_platform.resources import emptying, s3
from mlops_platform.resources.bucket import BucketProvider
from mlops_platform.resources.process import ProcessProvider
from mlops_platform.supervision import marks


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def store(store_props, tmp_path_factory, request):
    home = tmp_path_factory.mktemp("bucket-home")
    outputs = ProcessProvider().create(store_props(request.param, home)).outs
    yield outputs
    ProcessProvider().delete("store", outputs)
    assert not marks.find(home)


def bucket_props(store, name):
    return {
        "bucket": name, "endpoint": store["url"], "region": "us-east-1", **KEYS,
        "home": store["home"], "store": "store",
    }  # fmt: skip


@pytest.fixture
def props(store, request):
    wanted = bucket_props(store, f"test-{abs(hash(request.node.name))}")
    yield wanted
    s3.delete_bucket(s3.connect(wanted), wanted["bucket"])


@pytest.fixture
def created(props):
    return BucketProvider().create(props).outs


def exists(props):
    return s3.versioning(s3.connect(props), props["bucket"]) is not None


def test_a_new_bucket_keeps_versions(created, props):
    client = s3.connect(props)
    for body in (b"one", b"two"):
        client.put_object(Bucket=props["bucket"], Key="k", Body=body)
    assert len(client.list_object_versions(Bucket=props["bucket"])["Versions"]) == 2
    assert created["versioning"] == "Enabled"


def test_making_it_twice_keeps_its_objects(created, props):
    s3.connect(props).put_object(Bucket=props["bucket"], Key="k", Body=b"precious")
    BucketProvider().create(props)
    assert s3.connect(props).get_object(Bucket=props["bucket"], Key="k")["Body"].read() == b"precious"


def test_a_bucket_as_wanted_needs_no_change(created, props):
    assert BucketProvider().diff("b", created, props).changes is False
    assert BucketProvider().read("b", created).outs == created


def test_a_bucket_that_somebody_deleted_is_found_and_made_again(created, props):
    s3.connect(props).delete_bucket(Bucket=props["bucket"])
    assert BucketProvider().diff("b", created, props).changes is True
    assert BucketProvider().read("b", created).id == ""
    BucketProvider().update("b", created, props)
    assert exists(props)


def test_suspended_versioning_is_drift_and_is_put_right(created, props):
    s3.connect(props).put_bucket_versioning(Bucket=props["bucket"], VersioningConfiguration={"Status": "Suspended"})
    assert BucketProvider().read("b", created).outs["versioning"] == "Suspended"
    assert BucketProvider().diff("b", created, props).changes is True
    assert BucketProvider().update("b", created, props).outs["versioning"] == "Enabled"
    assert BucketProvider().diff("b", created, props).changes is False


def test_deleting_takes_versions_markers_uploads_and_more_than_one_page(created, props, monkeypatch):
    monkeypatch.setattr(emptying, "_BATCH", 10)
    client, bucket = s3.connect(props), props["bucket"]
    for number in range(35):
        client.put_object(Bucket=bucket, Key=f"folder/{number:04}", Body=b"")
    for body in (b"one", b"two"):
        client.put_object(Bucket=bucket, Key="a key with spaces & ümlauts", Body=body)
    client.delete_object(Bucket=bucket, Key="a key with spaces & ümlauts")
    client.create_multipart_upload(Bucket=bucket, Key="unfinished")
    left = []

    def look(**_):
        # SeaweedFS would delete a full bucket; other stores refuse.
        page = client.list_object_versions(Bucket=bucket)
        left.extend(page.get("Versions", []) + page.get("DeleteMarkers", []))
        left.extend(client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))

    deleting = s3.connect(props)
    deleting.meta.events.register("before-call.s3.DeleteBucket", look)
    monkeypatch.setattr(s3, "connect", lambda _: deleting)
    BucketProvider().delete("b", created)
    assert left == []
    assert not exists(props)


def test_deleting_what_is_gone_works(created, props):
    for _ in range(2):
        BucketProvider().delete("b", created)


def test_wrong_credentials_are_an_error_and_delete_nothing(created, props):
    wrong = {**created, "secret_key": "wrong"}
    for operation in (
        BucketProvider().create,
        lambda p: BucketProvider().read("b", p),
        lambda p: BucketProvider().delete("b", p),
    ):
        with pytest.raises(PlatformError, match=r"refuses to work on bucket .*SignatureDoesNotMatch"):
            operation(wrong)
    assert exists(props)


def test_a_bucket_with_objects_cant_be_renamed(created, props):
    s3.connect(props).put_object(Bucket=props["bucket"], Key="k", Body=b"precious")
    with pytest.raises(PlatformError, match="holds objects, and would be deleted since its name is to change"):
        BucketProvider().diff("b", created, {**props, "bucket": "another"})


def test_an_empty_bucket_can_be_renamed(created, props):
    assert BucketProvider().diff("b", created, {**props, "bucket": "another"}).replaces == ["bucket"]


def test_an_endpoint_that_a_preview_cant_tell_is_no_change(created, props):
    assert BucketProvider().diff("b", created, {**props, "endpoint": Unknown()}).changes is False


def test_the_persons_own_aws_settings_have_no_say(props, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:1\n[profile x]\nregion = moon\n")
    for name, value in {
        "AWS_PROFILE": "there-is-none", "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1", "AWS_CA_BUNDLE": "/nowhere",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    BucketProvider().create(props)
    assert exists(props)


# From here on with a store of their own, which they kill.


@pytest.fixture(params=["seaweedfs", "minio"])
def wanted(store_props, home, request):
    return store_props(request.param, home)


@pytest.fixture
def mortal(wanted):
    outputs = ProcessProvider().create(wanted).outs
    bucket = BucketProvider().create(bucket_props(outputs, "mortal")).outs
    yield outputs, bucket
    ProcessProvider().delete("store", outputs)


def kill(outputs):
    os.kill(outputs["pid"], signal.SIGKILL)
    while marks.is_live(psutil.Process(outputs["pid"])):
        time.sleep(0.02)


def test_with_the_store_dead_nothing_is_claimed_and_down_works(mortal):
    store, bucket = mortal
    kill(store)
    assert BucketProvider().read("b", bucket).outs == bucket
    assert BucketProvider().diff("b", bucket, bucket).changes is False
    BucketProvider().delete("b", bucket)
    with pytest.raises(PlatformError, match="to be renamed, and the store that could tell"):
        BucketProvider().diff("b", bucket, {**bucket, "bucket": "another"})


def test_a_dead_store_comes_back_with_its_objects_even_on_other_ports(mortal, wanted):
    store, bucket = mortal
    s3.connect(bucket).put_object(Bucket="mortal", Key="k", Body=b"precious")
    kill(store)
    with socket.create_server(("127.0.0.1", store["port"])):
        repaired = ProcessProvider().update("store", store, wanted).outs
    assert repaired["port"] != store["port"]
    moved = {**bucket, "endpoint": repaired["url"]}
    assert BucketProvider().diff("b", bucket, moved).changes is True
    moved = BucketProvider().update("b", bucket, moved).outs
    assert s3.connect(moved).get_object(Bucket="mortal", Key="k")["Body"].read() == b"precious"


def test_a_program_that_took_a_dead_stores_port_is_not_asked(mortal):
    store, bucket = mortal
    kill(store)
    asked = []

    class Impostor(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", store["port"]), Impostor) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        assert BucketProvider().read("b", bucket).outs == bucket
        BucketProvider().delete("b", bucket)
        server.shutdown()
    assert asked == []


def test_a_store_that_hangs_is_an_error_and_not_a_deletion(mortal, monkeypatch):
    store, bucket = mortal
    monkeypatch.setattr(s3, "_READ_SECONDS", 0.5)
    psutil.Process(store["pid"]).suspend()
    try:
        for operation in (BucketProvider().read, BucketProvider().delete):
            with pytest.raises(PlatformError, match=r"doesn't answer, so bucket mortal can't be worked on"):
                operation("b", bucket)
    finally:
        psutil.Process(store["pid"]).resume()
