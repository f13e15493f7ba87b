"""Emptying buckets of real servers, with what goes wrong on the way put between the client and them."""

import itertools
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import botocore.awsrequest
import pytest
from tests.infra.conftest import KEYS

from mlops_platform.errors import PlatformError
from mlops_platform.resources import emptying, s3
from mlops_platform.resources.process import ProcessProvider
from mlops_platform.supervision import marks

names = (f"bucket-{number}" for number in itertools.count())


def start(store_props, kind, home):
    outputs = ProcessProvider().create(store_props(kind, home)).outs
    yield {"endpoint": outputs["url"], "region": "us-east-1", **KEYS}
    ProcessProvider().delete("store", outputs)
    assert not marks.find(home)


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def store(store_props, tmp_path_factory, request):
    yield from start(store_props, request.param, tmp_path_factory.mktemp("emptying-home"))


@pytest.fixture(scope="module")
def minio(store_props, tmp_path_factory):
    yield from start(store_props, "minio", tmp_path_factory.mktemp("locking-home"))


@pytest.fixture
def client(store):
    return s3.connect(store)


@pytest.fixture
def bucket(client):
    name = next(names)
    s3.ensure_bucket(client, name)
    return name


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(emptying, "_FIRST_PAUSE_SECONDS", 0.0)


def fill(client, bucket, number, versions=1):
    def put(index):
        for _ in range(versions):
            client.put_object(Bucket=bucket, Key=f"files/md5/{index % 256:02x}/{index:06}", Body=b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(number)))


def left(client, bucket):
    """All that a bucket holds, asked for without the code under test."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
    found = [entry for page in pages for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    return found + client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def answer(status, body):
    """What a server would send."""
    response = botocore.awsrequest.AWSResponse("http://store", status, {"Content-Type": "application/xml"}, None)
    response._content = body.encode()
    return response


def refusal(code, status):
    return answer(status, f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>")


def partly(errors):
    entries = "".join(
        f"<Error><Key>{key}</Key><VersionId>{version}</VersionId><Code>{code}</Code><Message>so</Message></Error>"
        for key, version, code in errors
    )
    return answer(200, f"<DeleteResult>{entries}</DeleteResult>")


def asked_for(request):
    """Keys and versions that a DeleteObjects request names."""
    return re.findall(r"<Key>(.*?)</Key><VersionId>(.*?)</VersionId>", request.body.decode())


def intercept(client, operation, respond):
    """Let `respond(request, number)` answer in the server's place where it gives an answer."""
    numbers, lock = itertools.count(), threading.Lock()

    def before_send(request, **_):
        with lock:
            number = next(numbers)
        return respond(request, number)

    client.meta.events.register(f"before-send.s3.{operation}", before_send)
    return lambda: client.meta.events.unregister(f"before-send.s3.{operation}", before_send)


def test_versions_marks_and_uploads_go(client, bucket):
    fill(client, bucket, 1200, versions=2)
    for index in range(50):
        client.delete_object(Bucket=bucket, Key=f"files/md5/{index:02x}/{index:06}")
    for key in ("plain", "a key with spaces & ümlauts <>'\"", "%2e %61"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    emptied = emptying.empty(client, bucket, remedy="")
    assert left(client, bucket) == []
    assert emptied == emptying.Emptied(versions=2 * 1200 + 50 + 3, uploads=3)
    assert emptying.empty(client, bucket, remedy="") == emptying.Emptied(versions=0, uploads=0)
    client.delete_bucket(Bucket=bucket)


def test_keys_that_no_xml_can_carry_go_too(minio):
    client, bucket = s3.connect(minio), next(names)
    s3.ensure_bucket(client, bucket)
    for key in ("bell\x07", "car\rriage", "line\nfeed", "tab\t", "usual"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert emptying.empty(client, bucket, remedy="").versions == 5
    assert left(client, bucket) == []


def test_objects_from_before_versioning_go(client):
    bucket = next(names)
    client.create_bucket(Bucket=bucket)
    fill(client, bucket, 30)
    s3.ensure_bucket(client, bucket)
    fill(client, bucket, 40)
    emptying.empty(client, bucket, remedy="")
    assert left(client, bucket) == []


def test_ten_thousand_versions_go(minio):
    client, bucket = s3.connect(minio), next(names)
    s3.ensure_bucket(client, bucket)
    fill(client, bucket, 5, versions=300)  # more of each than fit into a page
    fill(client, bucket, 8500)
    assert emptying.empty(client, bucket, remedy="").versions == 10_000
    assert left(client, bucket) == []


def test_an_object_that_is_to_stay_stays(client, bucket):
    fill(client, bucket, 20)
    client.put_object(Bucket=bucket, Key="mark", Body=b"ours")
    assert emptying.holds_objects(client, bucket, but="mark")
    emptying.empty(client, bucket, remedy="", but="mark")
    assert [entry["Key"] for entry in left(client, bucket)] == ["mark"]
    assert not emptying.holds_objects(client, bucket, but="mark")


def test_a_busy_store_is_asked_again(client, bucket, no_pauses):
    fill(client, bucket, 100)
    seen = []

    def respond(request, number):
        seen.append(number)
        return refusal("SlowDown", 503) if number == 0 else None

    intercept(client, "DeleteObjects", respond)
    emptying.empty(client, bucket, remedy="")
    assert left(client, bucket) == []
    assert len(seen) > 1


def test_single_keys_that_are_put_off_are_asked_for_again_and_no_others(client, bucket, no_pauses):
    fill(client, bucket, 100)
    requests = []

    def respond(request, number):
        requests.append(asked_for(request))
        if number == 0:
            kept = requests[0][::10]
            rest = [{"Key": k, "VersionId": v} for k, v in requests[0] if (k, v) not in kept]
            beside.delete_objects(Bucket=bucket, Delete={"Objects": rest})
            return partly((key, version, "InternalError") for key, version in kept)
        return None

    beside = s3.connect({"endpoint": client.meta.endpoint_url, "region": "us-east-1", **KEYS})
    intercept(client, "DeleteObjects", respond)
    emptying.empty(client, bucket, remedy="")
    assert left(client, bucket) == []
    assert requests[1] == requests[0][::10]


def test_what_stays_put_off_is_named_in_the_end(client, bucket, no_pauses):
    fill(client, bucket, 5)
    requests = []

    def respond(request, number):
        requests.append(number)
        return partly((key, version, "SlowDown") for key, version in asked_for(request))

    intercept(client, "DeleteObjects", respond)
    with pytest.raises(PlatformError, match=r"files/md5/00/000000 \(version .+\): SlowDown, so; .*and 2 more"):
        emptying.empty(client, bucket, remedy="Wait.")
    assert 2 < len(requests) < 20
    assert len(left(client, bucket)) == 5


def test_what_is_denied_is_named_at_once_with_the_remedy(client, bucket):
    fill(client, bucket, 3)
    requests = []

    def respond(request, number):
        requests.append(number)
        return partly([(*asked_for(request)[1], "AccessDenied")])

    intercept(client, "DeleteObjects", respond)
    with pytest.raises(PlatformError, match="000001.*AccessDenied") as refused:
        emptying.empty(client, bucket, remedy="Ask whoever may.")
    assert refused.value.remedy == "Ask whoever may."
    assert "000000" not in str(refused.value)
    assert len(requests) == 1


def test_credentials_that_end_on_the_way_lose_nothing(client, bucket, monkeypatch):
    monkeypatch.setattr(emptying, "_BATCH", 10)
    monkeypatch.setattr(emptying, "WORKERS", 1)
    fill(client, bucket, 100)
    again = intercept(client, "DeleteObjects", lambda _, number: refusal("ExpiredToken", 400) if number >= 3 else None)
    with pytest.raises(PlatformError, match=f"credentials ended while bucket {bucket} .* after 30 ") as ended:
        emptying.empty(client, bucket, remedy="")
    assert "Log in again" in ended.value.remedy
    assert len(left(client, bucket)) == 70
    again()
    assert emptying.empty(client, bucket, remedy="").versions == 70
    assert left(client, bucket) == []


def test_a_store_that_lies_is_found_out(client, bucket):
    fill(client, bucket, 3)
    intercept(client, "DeleteObjects", lambda *_: answer(200, "<DeleteResult/>"))
    with pytest.raises(PlatformError, match="says that its objects were deleted, and still lists them"):
        emptying.empty(client, bucket, remedy="")


def test_objects_that_appear_meanwhile_go_too(client, bucket):
    fill(client, bucket, 30)

    def respond(_, number):
        if number == 0:
            client.put_object(Bucket=bucket, Key="a-late-one", Body=b"")

    intercept(client, "DeleteObjects", respond)
    assert emptying.empty(client, bucket, remedy="").versions == 31
    assert left(client, bucket) == []


def test_holds_and_retentions_are_named(minio):
    client, bucket = s3.connect(minio), next(names)
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    for key in ("free", "held", "retained"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    client.put_object_legal_hold(Bucket=bucket, Key="held", LegalHold={"Status": "ON"})
    client.put_object_retention(
        Bucket=bucket, Key="retained", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-02T03:04:05Z"}
    )
    with pytest.raises(PlatformError) as refused:
        emptying.empty(client, bucket, remedy="")
    assert re.search(r"held \(version \S+\) is under a legal hold", refused.value.problem)
    assert re.search(r"retained \(version \S+\) is retained until 2099-01-02 03:04 UTC", refused.value.problem)
    assert {entry["Key"] for entry in left(client, bucket)} == {"held", "retained"}


class Endless:
    """A client of a bucket with very many pages, whose deletions take their time."""

    class exceptions:  # noqa: N801 - the name that clients have
        ClientError = RuntimeError

    def __init__(self, pages):
        self.pages, self.listed, self.deleted, self.furthest = pages, 0, 0, 0
        self.lock = threading.Lock()

    def get_paginator(self, operation):
        self.operation = operation
        return self

    def paginate(self, **_):
        if self.operation == "list_multipart_uploads":
            return
        for page in range(self.deleted, self.pages):
            with self.lock:
                self.listed = page + 1
                self.furthest = max(self.furthest, self.listed - self.deleted)
            yield {"Versions": [{"Key": f"{page}", "VersionId": "1"}]}

    def delete_objects(self, **_):
        time.sleep(0.002)
        with self.lock:
            self.deleted += 1
        return {}


def test_listing_never_gets_far_ahead():
    client = Endless(pages=400)
    emptying.empty(client, "any", remedy="")
    assert client.deleted == 400
    assert 1 < client.furthest <= emptying._AHEAD + 2


def test_an_error_stops_everything_soon():
    client = Endless(pages=400)
    client.delete_objects = lambda **_: json.loads("no JSON")
    with pytest.raises(json.JSONDecodeError):
        emptying.empty(client, "any", remedy="")
    assert client.listed < 100
