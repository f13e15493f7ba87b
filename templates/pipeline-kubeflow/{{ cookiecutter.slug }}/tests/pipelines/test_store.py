"""Fetching data: exactly what was asked for, or a clear error. With a real S3 server where there is one."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import data
from {{ cookiecutter.package }}.errors import StoreError
from {{ cookiecutter.package }}.pipelines import store

from support import free_port, object_store

FILES = {"a.csv": b"one", "folder/b.csv": b"two" * 1000}


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(store, "PAUSE", 0.0)


def objects(files):
    """Return a data version and its objects by key, as DVC keeps them."""
    found = {hashlib.md5(content).hexdigest(): content for content in files.values()}
    entries = [{"md5": hashlib.md5(content).hexdigest(), "relpath": name} for name, content in files.items()]
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True).encode()
    version = hashlib.md5(listing).hexdigest() + ".dir"
    return version, {store.object_key(md5): content for md5, content in (found | {version: listing}).items()}


@pytest.fixture
def remote():
    """A folder with a data version in DVC's layout."""
    version, contents = objects(FILES)
    for key, content in contents.items():
        path = Path("remote") / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return version


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_version_is_fetched_whole(remote):
    store.fetch(store.open_store("remote"), remote, Path("raw"))
    assert content(Path("raw")) == FILES
    assert data.version(Path("raw")) == remote


def test_other_content_than_the_version_names_is_refused(remote):
    damaged = Path("remote") / store.object_key(hashlib.md5(FILES["a.csv"]).hexdigest())
    damaged.write_bytes(b"One")
    with pytest.raises(StoreError, match="arrived with the MD5"):
        store.fetch(store.open_store("remote"), remote, Path("raw"))
    assert not list(Path("raw").rglob("*.csv"))


def test_a_missing_object_is_named_at_once(remote):
    shutil.rmtree("remote/files/md5")
    with pytest.raises(StoreError, match="make data"):
        store.fetch(store.open_store("remote"), remote, Path("raw"))


@pytest.mark.parametrize("name", ["../outside.csv", "/outside.csv", "a/../../outside.csv"])
def test_files_outside_the_folder_are_refused(name):
    version, contents = objects({name: b"x"})
    for key, value in contents.items():
        (Path("remote") / key).parent.mkdir(parents=True, exist_ok=True)
        (Path("remote") / key).write_bytes(value)
    with pytest.raises(StoreError, match="outside its folder"):
        store.fetch(store.open_store("remote"), version, Path("raw"))


def test_what_is_there_already_is_not_fetched_again_and_nothing_else_stays(remote):
    store.fetch(store.open_store("remote"), remote, Path("raw"))
    Path("raw/a.csv").write_bytes(b"damaged")
    Path("raw/old.csv").write_bytes(b"of another version")
    Path("raw/folder/.b.csv.partial").write_bytes(b"of a run that was killed")
    (Path("remote") / store.object_key(hashlib.md5(FILES["folder/b.csv"]).hexdigest())).unlink()
    store.fetch(store.open_store("remote"), remote, Path("raw"))
    assert content(Path("raw")) == FILES


def test_some_of_a_version_is_fetched_beside_what_is_there(remote):
    source = store.open_store("remote")
    Path("raw").mkdir()
    Path("raw/own.csv").write_bytes(b"own")
    (fetched,) = store.fetch_more(source, remote, Path("raw"), "b.")
    assert fetched == Path("raw/folder/b.csv")
    assert content(Path("raw")) == {"own.csv": b"own", "folder/b.csv": FILES["folder/b.csv"]}
    fetched.write_bytes(b"of the commit")
    assert store.fetch_more(source, remote, Path("raw"), "b.") == []
    assert fetched.read_bytes() == b"of the commit"


def test_what_was_published_last_may_be_nothing(remote):
    source = store.open_store("remote")
    assert store.latest(source) is None
    (Path("remote") / store.LATEST).write_text(remote)
    assert store.latest(source) == remote


def test_what_was_not_pushed_is_named(remote):
    source = store.open_store("remote")
    assert store.missing(source, remote) == []
    (Path("remote") / store.object_key(hashlib.md5(FILES["a.csv"]).hexdigest())).unlink()
    assert store.missing(source, remote) == ["a.csv"]
    shutil.rmtree("remote/files")
    assert store.missing(source, remote) == [remote]


class Flaky:
    """A store whose connection breaks a number of times."""

    name = "flaky"

    def __init__(self, inner, failures):
        self.inner, self.failures, self.calls = inner, failures, 0

    def chunks(self, key):
        self.calls += 1
        first = True
        for chunk in self.inner.chunks(key):
            if self.calls <= self.failures:
                yield chunk[:1]
                raise ConnectionResetError("gone")
            assert first or chunk
            yield chunk


def test_a_broken_connection_is_tried_again(remote):
    flaky = Flaky(store.open_store("remote"), store.ATTEMPTS - 1)
    store.fetch(flaky, remote, Path("raw"))
    assert content(Path("raw")) == FILES


def test_but_not_for_ever(remote):
    flaky = Flaky(store.open_store("remote"), 10**6)
    with pytest.raises(StoreError, match="after 4 attempts"):
        store.fetch(flaky, remote, Path("raw"))
    assert flaky.calls == store.ATTEMPTS


@pytest.mark.parametrize("version", ["", "latest.dir", "0" * 32, "../" + "0" * 32, "0" * 32 + ".dir\n"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(StoreError, match="isn't a data version"):
        store.resolve(store.open_store("remote"), version)


def test_a_dead_store_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("DATA_BUCKET", "bucket")
    with pytest.raises(StoreError, match=r"(?s)s3://bucket/dvc fails .* AWS_ENDPOINT_URL"):
        store.fetch(store.open_store(), "0" * 32 + ".dir", Path("raw"))


def test_a_folder_can_t_be_published_to(remote):
    with pytest.raises(StoreError, match="DATA_BUCKET"):
        store.publish(store.open_store("remote"), remote)


@pytest.mark.parametrize("source", ["s3://", "s3://bucket", "s3:///prefix"])
def test_a_source_has_a_bucket_and_a_prefix(source):
    with pytest.raises(StoreError, match="s3://bucket/prefix"):
        store.open_store(source)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """SeaweedFS, empty."""
    with object_store(tmp_path_factory.mktemp("seaweedfs"), "bucket") as variables:
        yield variables


@pytest.fixture
def bucket(server, monkeypatch):
    """The environment of a project whose data lies on the server; returns a client that may write."""
    import boto3

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATA_BUCKET", "bucket")
    return boto3.client("s3", region_name="us-east-1", endpoint_url=server["AWS_ENDPOINT_URL"])


def test_a_real_store_from_push_to_fetch(bucket):
    version, contents = objects(FILES)
    s3 = store.open_store()
    with pytest.raises(StoreError, match="make push"):
        store.publish(s3, version)
    assert store.missing(s3, version) == [version]
    for key, value in contents.items():
        bucket.put_object(Bucket="bucket", Key=f"dvc/{key}", Body=value)
    assert store.missing(s3, version) == []
    store.publish(s3, version)
    assert store.resolve(s3, store.LATEST) == version
    store.fetch(s3, version, Path("raw"))
    assert content(Path("raw")) == FILES
    with pytest.raises(StoreError, match="make push"):
        store.fetch(s3, "0" * 32 + ".dir", Path("raw"))


def test_a_wrong_secret_is_refused_at_once(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"(?s)refuses .* AWS_SECRET_ACCESS_KEY"):
        store.fetch(store.open_store(), "0" * 32 + ".dir", Path("raw"))
