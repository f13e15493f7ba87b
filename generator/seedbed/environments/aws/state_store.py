"""The bucket and the key that keep the states of a project's environments in one account: made once, kept for good.

They don't belong to any environment, and don't carry the tag of one: `down` must find its state until the very end, and
an old version of a state can be the only record of what was there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seedbed import naming
from seedbed.environments.aws.account import Account
from seedbed.environments.aws.errors import code_of, translated
from seedbed.errors import ConflictError

STATE_TAG = "seedbed:state"
_TAGS = {"seedbed:managed-by": "seedbed"}
# What a person has to notice that a state was lost or spoilt.
_OLD_VERSIONS_DAYS = 365
_UPLOAD_DAYS = 7
_GOES = frozenset({"PendingDeletion", "PendingReplicaDeletion"})
_DEFAULT_REGION = "us-east-1"
_KEY_ALIAS_LIMIT = 250


@dataclass(frozen=True)
class Store:
    """Where states go.

    Attributes:
        url: of the bucket, as PULUMI_BACKEND_URL takes it.
        secrets_provider: what locks the secrets in them, as `pulumi stack init --secrets-provider` takes it.
        made: what was not there before.
    """

    url: str
    secrets_provider: str
    made: list[str]


def bucket_name(slug: str, account: str, region: str) -> str:
    """The bucket of a project's states; account and region are in it, since everybody shares the names of buckets."""
    return naming.shorten(f"{slug}-state-{account}-{region}", naming.BUCKET_LIMIT)


def alias_name(slug: str) -> str:
    """The alias of the key that locks the secrets in a project's states."""
    return naming.shorten(f"alias/{slug}-state", _KEY_ALIAS_LIMIT)


def prepare(account: Account, slug: str, say: Callable[[str], None]) -> Store:
    """Make the bucket and the key, as far as they are not there, and set both as they shall be.

    Args:
        account: in whose region they are.
        slug: of the project.
        say: told what is made.

    Raises:
        ConflictError: there is such a bucket or key, and it is somebody else's.
        AwsError: AWS refuses, or doesn't answer.
    """
    made: list[str] = []
    bucket = bucket_name(slug, account.number, account.region)
    # A key costs money, so it is made only when nothing stands in the way.
    there = _is_there(account, slug, bucket)
    key, alias = _key(account, slug, say, made)
    _bucket(account, slug, bucket, say, made, there=there)
    _settings(account, bucket, key)
    region = f"region={account.region}"
    return Store(f"s3://{bucket}?{region}", f"awskms:///{account.arn('kms', alias)}?{region}", made)


def _key(account: Account, slug: str, say: Callable[[str], None], made: list[str]) -> tuple[str, str]:
    """The ARN of the key, and its alias."""
    kms, alias = account.client("kms"), alias_name(slug)
    with translated(f"prepare key {alias}"):
        found = _find_key(kms, alias) or _without_alias(account, slug)
        if found and found["KeyState"] in _GOES:
            raise ConflictError(
                f"Key {alias}, which locks the project's secrets, is to be deleted; nothing was changed",
                hint=f"Keep it: aws kms cancel-key-deletion --key-id {found['KeyId']} --region {account.region},"
                " then enable-key likewise.",
            )
        if found is None:
            say(f"Making the key {alias}")
            tags = [{"TagKey": key, "TagValue": value} for key, value in _tags(slug).items()]
            text = f"Locks the secrets in the states of {slug}'s environments"
            found = kms.create_key(Description=text, Tags=tags)["KeyMetadata"]
            made.append(f"key {alias}")
        elif not _is_ours(kms, found["KeyId"], slug):
            raise ConflictError(
                f"There is a key {alias} already, which seedbed did not make; nothing was changed",
                hint=f"If it shall be used, tag it {STATE_TAG} = {slug} and run the command again.",
            )
        if _find_key(kms, alias) is None:
            kms.create_alias(AliasName=alias, TargetKeyId=found["KeyId"])
        kms.enable_key_rotation(KeyId=found["KeyId"])
    return str(found["Arn"]), alias


def _find_key(kms: Any, alias: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return kms.describe_key(KeyId=alias)["KeyMetadata"]
    except ClientError as error:
        if code_of(error) != "NotFoundException":
            raise
        return None


def _without_alias(account: Account, slug: str) -> Any:
    """The key of a run that was killed before it gave it its alias."""
    kms = account.client("kms")
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources")
    wanted = [{"Key": STATE_TAG, "Values": [slug]}]
    for page in pages.paginate(TagFilters=wanted, ResourceTypeFilters=["kms:key"]):
        for hit in page["ResourceTagMappingList"]:
            key = kms.describe_key(KeyId=hit["ResourceARN"])["KeyMetadata"]
            if key["KeyState"] not in _GOES and not kms.list_aliases(KeyId=key["KeyId"])["Aliases"]:
                return key
    return None


def _is_ours(kms: Any, key: str, slug: str) -> bool:
    tags = kms.list_resource_tags(KeyId=key)["Tags"]
    return {tag["TagKey"]: tag["TagValue"] for tag in tags}.get(STATE_TAG) == slug


def _is_there(account: Account, slug: str, bucket: str) -> bool:
    """Whether there is such a bucket; one that isn't ours is refused."""
    from botocore.exceptions import ClientError

    s3 = account.client("s3")
    with translated(f"look for bucket {bucket}"):
        try:
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account.number)
        except ClientError as error:
            if code_of(error) == "403":
                raise ConflictError(
                    f"Bucket {bucket} is there, and is not account {account.number}'s or closed to you",
                    hint="Look at it with that account's administrator, or give the project another name.",
                ) from error
            if code_of(error) != "404":
                raise
            return False
        _require_ours(s3, bucket, slug, account.number)
    return True


def _bucket(
    account: Account, slug: str, bucket: str, say: Callable[[str], None], made: list[str], *, there: bool
) -> None:
    s3 = account.client("s3")
    with translated(f"prepare bucket {bucket}"):
        if not there:
            say(f"Making the bucket {bucket}")
            where = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
            s3.create_bucket(Bucket=bucket, **(where if account.region != _DEFAULT_REGION else {}))
            made.append(f"bucket {bucket}")
        tags = [{"Key": key, "Value": value} for key, value in _tags(slug).items()]
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags}, ExpectedBucketOwner=account.number)


def _require_ours(s3: Any, bucket: str, slug: str, owner: str) -> None:
    """A bucket that was there is ours by its tag; without any tag, and empty, a killed run has just made it."""
    from botocore.exceptions import ClientError

    try:
        found = s3.get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=owner)["TagSet"]
    except ClientError as error:
        if code_of(error) != "NoSuchTagSet":
            raise
        if "Contents" not in s3.list_objects_v2(Bucket=bucket, MaxKeys=1, ExpectedBucketOwner=owner):
            return
        found = []
    if {tag["Key"]: tag["Value"] for tag in found}.get(STATE_TAG) != slug:
        raise ConflictError(
            f"There is a bucket {bucket} already, which seedbed did not make for {slug}; nothing was changed in it",
            hint=f"If it shall be used, tag it {STATE_TAG} = {slug} and run the command again.",
        )


def _settings(account: Account, bucket: str, key: str) -> None:
    """What the bucket must be, whoever made it: closed, by TLS only, encrypted, with its old versions for a year."""
    s3, here = account.client("s3"), {"Bucket": bucket, "ExpectedBucketOwner": account.number}
    all_of_it = [f"arn:{account.partition}:s3:::{bucket}", f"arn:{account.partition}:s3:::{bucket}/*"]
    statement = {
        "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": all_of_it,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [
        {
            "ID": "old-versions", "Status": "Enabled", "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSIONS_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOAD_DAYS},
        }
    ]  # fmt: skip
    closed = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    with translated(f"set bucket {bucket} up"):
        s3.put_public_access_block(**here, PublicAccessBlockConfiguration=closed)
        s3.put_bucket_ownership_controls(
            **here, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
        s3.put_bucket_versioning(**here, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(
            **here,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": encryption, "BucketKeyEnabled": True}]
            },
        )
        s3.put_bucket_lifecycle_configuration(**here, LifecycleConfiguration={"Rules": rules})
        s3.put_bucket_policy(
            **here, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
        )


def _tags(slug: str) -> dict[str, str]:
    return {**_TAGS, STATE_TAG: slug}
