"""What a bucket on AWS holds: objects, their versions, and unfinished uploads."""

from __future__ import annotations

from typing import Any

from mlops_platform.resources import emptying
from mlops_platform.resources.aws import connection
from mlops_platform.resources.aws.contents import Contents, ContentsProvider

_REMEDY = (
    "A hold or a retention is somebody's decision: have it lifted (aws s3api put-object-legal-hold,"
    " put-object-retention) or wait for its end. What is denied needs the right s3:DeleteObjectVersion. What was put"
    " off goes another time. Then run the command again."
)


class BucketContentsProvider(ContentsProvider):
    """Empties a bucket."""

    noun, service = "bucket", "s3"

    def tags(self, client: Any, props: dict[str, Any]) -> dict[str, str] | None:
        """The bucket's tags; None if there is no such bucket."""
        try:
            answer = client.get_bucket_tagging(Bucket=props["container"], ExpectedBucketOwner=props["account"])
        except client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucket":
                return None
            if code == "NoSuchTagSet":
                return {}
            raise
        return connection.tags(answer["TagSet"])

    def is_full(self, client: Any, props: dict[str, Any]) -> bool:
        """Whether it lists any version or mark of a deleted object."""
        return emptying.holds_objects(client, props["container"], owner=props["account"])

    def empty(self, client: Any, props: dict[str, Any]) -> None:
        """Delete all objects with all their versions, and unfinished uploads.

        Raises:
            PlatformError: some can't be deleted, or the credentials ended.
        """
        emptying.empty(client, props["container"], remedy=_REMEDY, owner=props["account"])


class BucketContents(Contents, module="mlops", name="BucketContents"):
    """The contents of a bucket; takes what `Contents` does, without a provider."""

    def __init__(self, name: str, **inputs: Any) -> None:
        super().__init__(BucketContentsProvider(), name, **inputs)
