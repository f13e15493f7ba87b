"""A bucket of an environment on AWS with everything that S3 keeps in resources of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from mlops_platform import names
from mlops_platform.components.aws.account import Account, document
from mlops_platform.resources.aws.bucket_contents import BucketContents

_COMPONENT = "storage"
_UPLOAD_DAYS = 7
_ALL: dict[str, str] = {"prefix": ""}


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How long a bucket keeps what isn't wanted any more.

    Attributes:
        old_version_days: what was overwritten or deleted can be had back for so long.
        days: after which objects go by themselves; None: never.
    """

    old_version_days: int
    days: int | None = None


class PrivateBucket(pulumi.ComponentResource):
    """A bucket that only identities of the account reach, by TLS.

    S3 refuses two changes of a bucket at a time, so each of its settings waits for the one before: the name of the
    bucket goes from one to the next. On the way down they go with the bucket, which stays as safe as it is until then.

    Args:
        purpose: that its name ends in; the Pulumi name too.
        account: where.
        encryption: with what S3 encrypts its objects.
        keeping: how long.
        statements: of its policy, besides that it is reached by TLS only. If they let a service write, it is refused
            again before the bucket is emptied.
        log_bucket: where accesses to it are logged; None: nowhere.
        opts: Pulumi options.

    Attributes:
        name: for all that reads or writes there: they come when the bucket is complete, and go before it is emptied.
    """

    name: pulumi.Output[str]

    def __init__(
        self,
        purpose: str,
        *,
        account: Account,
        encryption: dict[str, pulumi.Input[str]],
        keeping: Keeping,
        statements: tuple[dict[str, Any], ...] = (),
        log_bucket: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:PrivateBucket", purpose, None, opts)
        bucket = aws.s3.Bucket(
            purpose,
            bucket=bucket_name(account, purpose),
            # `BucketContents` has emptied it by then; this is for what somebody wrote since.
            force_destroy=True,
            tags=account.tags(_COMPONENT),
            opts=account.child(self, holds_data=True),
        )
        setting = account.child(self, deleted_with=bucket)
        contents = BucketContents(
            purpose,
            container=bucket.bucket,
            account=account.id,
            region=account.region,
            environment=account.environment,
            opts=pulumi.ResourceOptions(parent=self, protect=account.options.protect),
        )
        ownership = aws.s3.BucketOwnershipControls(
            purpose, bucket=contents.container, rule={"object_ownership": "BucketOwnerEnforced"}, opts=setting
        )
        access = aws.s3.BucketPublicAccessBlock(
            purpose,
            bucket=ownership.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=setting,
        )
        versioning = aws.s3.BucketVersioning(
            purpose, bucket=access.bucket, versioning_configuration={"status": "Enabled"}, opts=setting
        )
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            purpose,
            bucket=versioning.bucket,
            rules=[{"apply_server_side_encryption_by_default": encryption, "bucket_key_enabled": True}],
            opts=setting,
        )
        lifecycle = aws.s3.BucketLifecycleConfiguration(
            purpose, bucket=encrypted.bucket, rules=_rules(keeping), opts=setting
        )
        policy = aws.s3.BucketPolicy(
            purpose,
            bucket=lifecycle.bucket,
            policy=document(_only_by_tls(bucket_arn(account, purpose)), *statements),
            opts=account.child(self) if statements else setting,
        )
        self.name = policy.bucket
        if log_bucket is not None:
            logging = aws.s3.BucketLogging(
                purpose,
                bucket=policy.bucket,
                target_bucket=log_bucket,
                target_prefix=log_prefix(purpose),
                opts=setting,
            )
            self.name = logging.bucket
        self.register_outputs({"name": self.name})


def bucket_name(account: Account, purpose: str) -> str:
    """A bucket's name. No two accounts have one of the same name, so the account's number is part of it."""
    settings = account.settings
    return names.bucket_name(settings.project, settings.stack, f"{purpose}-{account.id}")


def bucket_arn(account: Account, purpose: str) -> str:
    """A bucket's ARN."""
    return account.arn("s3", bucket_name(account, purpose), region=False, account=False)


def log_prefix(purpose: str) -> str:
    """Of the names of its access logs."""
    return f"{purpose}/"


def _only_by_tls(arn: str) -> dict[str, Any]:
    return {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _rules(keeping: Keeping) -> list[dict[str, Any]]:
    """Lifecycle rules. None is about the newest version of an object, unless objects go after some days anyway."""
    rules: list[dict[str, Any]] = [
        {
            "id": "unfinished-uploads",
            "status": "Enabled",
            "filter": _ALL,
            "abort_incomplete_multipart_upload": {"days_after_initiation": _UPLOAD_DAYS},
        },
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": _ALL,
            "noncurrent_version_expiration": {"noncurrent_days": keeping.old_version_days},
            # The mark of a deleted object goes when no old version is left behind it.
            **({"expiration": {"expired_object_delete_marker": True}} if keeping.days is None else {}),
        },
    ]
    if keeping.days is not None:
        rules.append({"id": "objects", "status": "Enabled", "filter": _ALL, "expiration": {"days": keeping.days}})
    return rules
