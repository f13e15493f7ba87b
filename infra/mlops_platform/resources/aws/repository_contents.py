"""The images of a repository in ECR."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from mlops_platform.errors import PlatformError
from mlops_platform.resources.aws import connection
from mlops_platform.resources.aws.contents import Contents, ContentsProvider

_BATCH = 100  # the most that one request may delete
_SHOWN = 3
_GONE = "ImageNotFound"
# An image for several platforms, or with provenance, is an index that names others: those go after it.
_REFERENCED = "ImageReferencedByManifestList"


class RepositoryContentsProvider(ContentsProvider):
    """Empties a repository."""

    noun, service = "repository", "ecr"

    def tags(self, client: Any, props: dict[str, Any]) -> dict[str, str] | None:
        """The repository's tags; None if there is no such repository."""
        try:
            found = client.describe_repositories(registryId=props["account"], repositoryNames=[props["container"]])
        except client.exceptions.RepositoryNotFoundException:
            return None
        arn = found["repositories"][0]["repositoryArn"]
        return connection.tags(client.list_tags_for_resource(resourceArn=arn)["tags"])

    def is_full(self, client: Any, props: dict[str, Any]) -> bool:
        """Whether it lists any image."""
        return any(_digests(client, _where(props)))

    def empty(self, client: Any, props: dict[str, Any]) -> None:
        """Delete all images, with a tag or without, in rounds: what an index names can go once the index is gone.

        Raises:
            PlatformError: some can't be deleted.
        """
        where = _where(props)
        digests, failures = list(dict.fromkeys(_digests(client, where))), dict[str, str]()
        while digests:
            failures = _delete(client, where, digests)
            if len(failures) == len(digests) or set(failures.values()) - {_REFERENCED}:
                break
            digests = list(failures)
        if failures:
            shown = "; ".join(f"{digest}: {code}" for digest, code in itertools.islice(failures.items(), _SHOWN))
            raise PlatformError(
                f"{len(failures)} images of repository {props['container']} can't be deleted: {shown}",
                "See what holds them (aws ecr describe-images), and run the command again.",
            )


class RepositoryContents(Contents, module="mlops", name="RepositoryContents"):
    """The contents of a repository; takes what `Contents` does, without a provider."""

    def __init__(self, name: str, **inputs: Any) -> None:
        super().__init__(RepositoryContentsProvider(), name, **inputs)


def _where(props: dict[str, Any]) -> dict[str, str]:
    return {"repositoryName": props["container"], "registryId": props["account"]}


def _digests(client: Any, where: dict[str, str]) -> Iterator[str]:
    """The digest of each image, as often as it has tags."""
    for page in client.get_paginator("list_images").paginate(**where):
        yield from (image["imageDigest"] for image in page.get("imageIds", ()))


def _delete(client: Any, where: dict[str, str], digests: list[str]) -> dict[str, str]:
    """Delete images; digest → code of those that can't be deleted."""
    failures = {}
    for begin in range(0, len(digests), _BATCH):
        batch = [{"imageDigest": digest} for digest in digests[begin : begin + _BATCH]]
        for failure in client.batch_delete_image(**where, imageIds=batch).get("failures", ()):
            if failure["failureCode"] != _GONE:
                failures[failure["imageId"]["imageDigest"]] = failure["failureCode"]
    return failures
