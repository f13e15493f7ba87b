"""Emptying repositories of ECR, by moto; what moto doesn't know of indexes stands between it and the client."""

import hashlib
import itertools
import json

import botocore.awsrequest
import pytest
from tests.infra.aws import moto_server
from tests.infra.aws.conftest import ACCOUNT, REGION

from mlops_platform.errors import PlatformError
from mlops_platform.resources.aws import connection
from mlops_platform.resources.aws.repository_contents import RepositoryContentsProvider

provider = RepositoryContentsProvider()
names = (f"flights-prod/flights/image-{number}" for number in itertools.count())
OURS = [{"Key": "seedbed:environment", "Value": "flights.prod"}]
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def moto():
    with moto_server.serve() as url:
        yield url


@pytest.fixture(autouse=True)
def aws(moto, monkeypatch):
    moto_server.point_at(moto, monkeypatch)


@pytest.fixture
def client():
    return connection.client("ecr", {"region": REGION})


@pytest.fixture
def props(client):
    name = next(names)
    client.create_repository(repositoryName=name, tags=OURS)
    return {
        "container": name, "account": ACCOUNT, "region": REGION, "environment": "flights.prod",
    }  # fmt: skip


def push(client, props, number, tags=None, *, of=(), media=MANIFEST):
    """Push one image, or an index `of` others, under a tag of its own or these; gives its digest."""
    body = {"schemaVersion": 2, "mediaType": media, "annotations": {"n": str(number)}}
    body |= {"manifests": [{"mediaType": MANIFEST, "digest": digest, "size": 1} for digest in of]} if of else {}
    text = json.dumps(body)
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    for tag in tags or (f"t{number}",):
        client.put_image(
            repositoryName=props["container"], imageManifest=text, imageManifestMediaType=media, imageDigest=digest,
            **({"imageTag": tag} if tag else {}),
        )  # fmt: skip
    return digest


def left(client, props):
    pages = client.get_paginator("list_images").paginate(repositoryName=props["container"])
    return {image["imageDigest"] for page in pages for image in page["imageIds"]}


@pytest.fixture
def indexes(monkeypatch):
    """Let ECR's rule hold: what an index names is kept as long as the index. Index → what it names."""
    known, calls = {}, []
    connect = connection.client

    def guarded(service, of):
        made = connect(service, of)

        def before_send(request, **_):
            asked = [image["imageDigest"] for image in json.loads(request.body)["imageIds"]]
            calls.append(asked)
            held = {digest for index, parts in known.items() for digest in parts}
            refused = [digest for digest in asked if digest in held]
            if not refused:
                for digest in asked:
                    known.pop(digest, None)
                return None
            free = [{"imageDigest": digest} for digest in asked if digest not in held]
            if free:
                connect(service, of).batch_delete_image(
                    repositoryName=json.loads(request.body)["repositoryName"], imageIds=free
                )
            for image in free:
                known.pop(image["imageDigest"], None)
            failures = [
                {"imageId": {"imageDigest": digest}, "failureCode": "ImageReferencedByManifestList"}
                for digest in refused
            ]
            response = botocore.awsrequest.AWSResponse("http://ecr", 200, {}, None)
            response._content = json.dumps({"imageIds": free, "failures": failures}).encode()
            return response

        made.meta.events.register("before-send.ecr.BatchDeleteImage", before_send)
        return made

    monkeypatch.setattr(connection, "client", guarded)
    return known, calls


def test_images_with_several_tags_one_or_none_go_and_the_repository_stays(client, props):
    push(client, props, 0, ("a", "b", "latest"))
    for number in range(1, 120):  # more than one request may delete
        push(client, props, number, ("",) if number == 5 else None)
    assert len(left(client, props)) == 120
    provider.delete("c", provider.create(props).outs)
    assert left(client, props) == set()
    provider.delete("c", props)
    client.delete_repository(repositoryName=props["container"])
    provider.delete("c", props)  # what is gone is as good as emptied


def test_what_an_index_names_goes_after_it_however_deep(client, props, indexes):
    known, calls = indexes
    parts = [push(client, props, number) for number in range(150)]
    inner = push(client, props, 1000, ("inner",), of=parts[:2], media=INDEX)
    outer = push(client, props, 1001, ("outer",), of=(inner, *parts[2:]), media=INDEX)
    known |= {inner: set(parts[:2]), outer: {inner, *parts[2:]}}
    provider.delete("c", props)
    assert left(client, props) == set()
    assert max(map(len, calls)) <= 100


def test_what_cant_be_deleted_is_named_and_ends_the_rounds(client, props, indexes):
    known, calls = indexes
    held = push(client, props, 1)
    push(client, props, 2)
    known["sha256:of-an-index-that-never-goes"] = {held}
    with pytest.raises(PlatformError, match=rf"1 images of repository {props['container']} can't be deleted: {held}"):
        provider.delete("c", props)
    assert left(client, props) == {held}
    assert len(calls) == 2


@pytest.mark.parametrize("change", [{"environment": "another.prod"}, {"account": "210987654321"}])
def test_what_isnt_ours_keeps_everything(client, props, change):
    push(client, props, 1)
    with pytest.raises(PlatformError, match="nothing (in it )?was deleted"):
        provider.delete("c", {**props, **change})
    assert len(left(client, props)) == 1


def test_a_full_repository_is_never_exchanged_and_an_empty_one_may_be(client, props):
    wanted = {**props, "container": "elsewhere"}
    assert provider.diff("c", props, wanted).replaces == ["container"]
    push(client, props, 1)
    with pytest.raises(PlatformError, match="isn't empty"):
        provider.diff("c", props, wanted)
    assert provider.diff("c", props, props).changes is False
