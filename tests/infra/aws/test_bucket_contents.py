"""What guards a bucket's contents: a real store for S3, and moto for whose credentials these are."""

import itertools

import pytest
from tests.infra.aws import moto_server
from tests.infra.aws.conftest import ACCOUNT, REGION
from tests.infra.conftest import KEYS

from mlops_platform.errors import PlatformError
from mlops_platform.resources import emptying, s3
from mlops_platform.resources.aws import connection
from mlops_platform.resources.aws.bucket_contents import BucketContentsProvider
from mlops_platform.resources.process import ProcessProvider

provider = BucketContentsProvider()
names = (f"contents-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def store(store_props, tmp_path_factory):
    outputs = ProcessProvider().create(store_props("seaweedfs", tmp_path_factory.mktemp("contents-home"))).outs
    yield outputs["url"]
    ProcessProvider().delete("store", outputs)


@pytest.fixture(scope="module")
def moto():
    with moto_server.serve() as url:
        yield url


@pytest.fixture(autouse=True)
def aws(moto, store, monkeypatch):
    moto_server.point_at(moto, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])


@pytest.fixture
def client(store):
    return s3.connect({"endpoint": store, "region": REGION, **KEYS})


@pytest.fixture
def props(client):
    """A bucket of the environment's with an object in it, and the inputs of its contents."""
    bucket = next(names)
    s3.ensure_bucket(client, bucket)
    tag(client, bucket, "flights.prod")
    client.put_object(Bucket=bucket, Key="k", Body=b"precious")
    return {
        "container": bucket, "account": ACCOUNT, "region": REGION, "environment": "flights.prod",
    }  # fmt: skip


def tag(client, bucket, environment):
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "seedbed:environment", "Value": environment}]})


def is_full(client, props):
    return bool(client.list_object_versions(Bucket=props["container"]).get("Versions"))


def test_its_deletion_empties_the_bucket_and_leaves_it(client, props):
    outputs = provider.create(props).outs
    assert is_full(client, props)
    provider.delete("c", outputs)
    assert not is_full(client, props)
    provider.delete("c", outputs)
    client.delete_bucket(Bucket=props["container"])
    provider.delete("c", outputs)  # what is gone is as good as emptied


@pytest.mark.parametrize("tagged", ["another.prod", "flights.prod2", ""])
def test_a_bucket_that_isnt_tagged_as_ours_keeps_everything(client, props, tagged):
    tag(client, props["container"], tagged) if tagged else client.delete_bucket_tagging(Bucket=props["container"])
    with pytest.raises(PlatformError, match="this environment is flights.prod: nothing in it was deleted"):
        provider.delete("c", props)
    assert is_full(client, props)


def test_credentials_of_another_account_delete_nothing(client, props):
    with pytest.raises(PlatformError, match=f"account {ACCOUNT}, and the environment is in 210987654321"):
        provider.delete("c", {**props, "account": "210987654321"})
    assert is_full(client, props)


@pytest.mark.parametrize("key", ["container", "region"])
def test_a_full_bucket_is_never_exchanged_and_an_empty_one_may_be(client, props, key):
    wanted = {**props, key: "elsewhere"}
    with pytest.raises(PlatformError, match=f"bucket {props['container']} isn't empty"):
        provider.diff("c", props, wanted)
    emptying.empty(client, props["container"], remedy="")
    assert provider.diff("c", props, wanted).replaces == [key]


def test_without_credentials_the_way_to_get_some_is_named(client, props, monkeypatch):
    for variable in moto_server.KEYS:
        monkeypatch.delenv(variable)
    with pytest.raises(PlatformError, match="Unable to locate credentials") as refused:
        provider.delete("c", props)
    assert "aws sso login" in refused.value.remedy
    assert is_full(client, props)


def test_a_wrong_key_is_an_error_and_deletes_nothing(client, props, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PlatformError, match=f"Can't empty bucket {props['container']}: AWS refuses GetBucketTagging"):
        provider.delete("c", props)
    assert is_full(client, props)


def test_a_region_that_doesnt_answer_is_no_deletion(client, props, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr(connection, "_ATTEMPTS", 1)
    with pytest.raises(PlatformError, match="AWS doesn't answer") as refused:
        provider.delete("c", props)
    assert "nothing is forgotten" in refused.value.remedy


def test_requests_name_the_account_that_the_bucket_must_belong_to(client, props, monkeypatch):
    asked = []
    connect = connection.client

    def watched(service, of):
        made = connect(service, of)
        made.meta.events.register(
            "before-send.s3", lambda request, **_: asked.append(request.headers.get("x-amz-expected-bucket-owner"))
        )
        return made

    monkeypatch.setattr(connection, "client", watched)
    provider.delete("c", props)
    assert len(asked) > 3
    assert {owner.decode() if isinstance(owner, bytes) else owner for owner in asked} == {ACCOUNT}
