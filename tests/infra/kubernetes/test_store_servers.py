"""The store for real: what its users may do, and what its set-up does, on the servers that the containers run."""

import contextlib
import json
import time
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.infra.kubernetes import running_store
from tests.infra.kubernetes.running_store import BUCKETS, STORES
from tests.infra.kubernetes.store_rights import RIGHTS, SEEN, ask

mc, make_store = running_store.mc, running_store.make_store  # fixtures
# What a store answers when it refuses somebody; anything else is an error.
REFUSED = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


def allowed(client, call, bucket, key):
    try:
        ask(client, call, BUCKETS[bucket], key)
    except ClientError as error:
        assert error.response["Error"]["Code"] in REFUSED, error
        return False
    return True


@pytest.mark.parametrize("name", STORES)
def test_every_consumer_may_do_what_it_needs_and_nothing_else(make_store, name):
    with make_store(name).serving() as store:
        done = store.set_up()
        assert done.returncode == 0, done.stdout
        root = store.client("root")
        for bucket, keys in SEEN.items():
            for key in keys:
                root.put_object(Bucket=BUCKETS[bucket], Key=key, Body=b"seen")
        clients = {}
        wrong = []
        for who, call, bucket, key, answer in RIGHTS:
            client = clients.setdefault(who, store.client(who))
            if allowed(client, call, bucket, key) != (answer == "yes"):
                wrong.append(f"{who} {call} {bucket} {key}: should be {answer}")
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["minio", "seaweedfs"])
def test_setting_up_again_changes_nothing_and_repairs_what_was_changed(make_store, name):
    with make_store(name).serving() as store:
        assert store.set_up().returncode == 0
        root, data = store.client("root"), BUCKETS["data"]
        root.put_object(Bucket=data, Key="k", Body=b"precious")
        root.put_bucket_versioning(Bucket=data, VersioningConfiguration={"Status": "Suspended"})
        root.delete_bucket_lifecycle(Bucket=data)
        done = store.set_up()
        assert done.returncode == 0, done.stdout
        assert root.get_object(Bucket=data, Key="k")["Body"].read() == b"precious"
        for bucket in (data, BUCKETS["artifacts"]):
            assert root.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
            (rule,) = root.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
            assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
            assert rule["Expiration"]["ExpiredObjectDeleteMarker"] is True


def test_seaweedfs_has_somebody_who_carries_the_lifecycle_rules_out(make_store):
    with make_store("seaweedfs").serving() as store, store.helpers() as planner:
        deadline = time.monotonic() + 180
        while not (workers := _workers(planner)) and time.monotonic() < deadline:
            time.sleep(0.5)
        (worker,) = workers
        assert worker["Capabilities"]["s3_lifecycle"]["can_execute"] is True


def _workers(planner):
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{planner}/api/plugin/workers", timeout=30) as answer:
        return json.load(answer)
    return []


def test_what_the_set_up_says_holds_no_password(make_store):
    with make_store("minio").serving() as store:
        said = store.set_up().stdout
    passwords = [*store.recorded.find("Secret", "store-setup")["stringData"].values(), store._root()]
    assert len(passwords) == 7
    assert not [password for password in passwords if password in said]
    assert not [p for p in passwords if p in json.dumps(store.recorded.all("ConfigMap") + store.recorded.all("Job"))]


def test_a_users_new_password_takes_the_place_of_the_old_one(make_store):
    with make_store("minio").serving() as store:
        assert store.set_up().returncode == 0
        before = store.client("tracking")
        ask(before, "list", BUCKETS["artifacts"], "mlflow/")
        store.recorded.outputs["tracking"] = "another-password-of-its"
        assert store.set_up({"tracking": "another-password-of-its"}).returncode == 0
        assert not allowed(before, "list", "artifacts", "mlflow/")
        assert allowed(store.client("tracking"), "list", "artifacts", "mlflow/")


def test_a_store_that_never_answers_is_an_error_that_says_so(make_store):
    done = make_store("minio").set_up(STORE_SECONDS="1")
    assert done.returncode != 0
    assert "is not ready after 1 s" in done.stdout
    assert "connection refused" in done.stdout


def test_an_image_without_the_client_is_an_error_that_says_so(make_store):
    store = make_store("minio")
    store.mc = Path("/nowhere")
    done = store.set_up()
    assert done.returncode != 0
    assert "storeImage must bring MinIO's client" in done.stdout
