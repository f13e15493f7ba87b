"""What each identity of an environment may do, as statements of IAM policies: pure functions of names and ARNs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlops_platform.components.aws.account import Account
from mlops_platform.components.kubernetes.store.consumers import (
    ABOUT_BUCKET,
    ACTIONS,
    CONSUMERS,
    DATA,
    LISTING,
    PROJECT,
    UPLOADS,
    May,
)
from mlops_platform.names import BUCKET_LIMIT, limited
from mlops_platform.partitions import Partition

Statement = dict[str, Any]
_ALIAS_LIMIT = 250


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What of an environment the rights of its CI are about; empty where its variant has no such thing.

    Attributes:
        account: that it is in.
        data_bucket: name.
        artifact_bucket: name.
        log_bucket: name of the bucket that gets the access logs of both.
        key: ARN of the key that everything is encrypted with.
        repositories: names of the repositories of images.
        cluster: name.
        budget: name of the budget that raises the alarm.
        program: Pulumi's name of the program, under which the engine keeps the state.
    """

    account: Account
    program: str
    data_bucket: str = ""
    artifact_bucket: str = ""
    log_bucket: str = ""
    key: str = ""
    repositories: tuple[str, ...] = ()
    cluster: str = ""
    budget: str = ""

    def bucket_arn(self, name: str) -> str:
        """ARN of a bucket."""
        return self.account.arn("s3", name, region=False, account=False)

    @property
    def repository_arns(self) -> list[str]:
        """ARNs of the repositories."""
        return [self.account.arn("ecr", f"repository/{name}") for name in self.repositories]

    @property
    def cluster_arn(self) -> str:
        """ARN of the cluster."""
        return self.account.arn("eks", f"cluster/{self.cluster}")


def allow(*actions: str, on: str | list[str], when: dict[str, dict[str, Any]] | None = None) -> Statement:
    """One statement that allows these actions.

    Args:
        actions: such as "s3:GetObject".
        on: ARNs or patterns of them.
        when: conditions, by operator and key.
    """
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement


def store_rights(consumer: str, data_bucket_arn: str, artifact_bucket_arn: str, key_arn: str) -> list[Statement]:
    """What a consumer of the store may do there, by the same table as in a cluster's own store.

    Nobody who is granted something here deletes an old version of an object, or changes a bucket.

    Args:
        consumer: a key of `CONSUMERS`.
        data_bucket_arn: the bucket's.
        artifact_bucket_arn: the bucket's.
        key_arn: of the key that both are encrypted with; it opens through S3 only, and for these buckets only.
    """
    statements: list[Statement] = []
    buckets: list[str] = []
    for grant in CONSUMERS[consumer]:
        bucket = data_bucket_arn if grant.bucket == DATA else artifact_bucket_arn
        buckets += [bucket] if bucket not in buckets else []
        objects = f"{bucket}/{grant.folder}/*" if grant.folder else f"{bucket}/*"
        actions = [action for may, actions in ACTIONS.items() if may in grant.may for action in actions]
        statements.append(allow(*actions, on=objects))
        if May.READ in grant.may:
            # Only to who may list does S3 say that an object isn't there, and not that it is forbidden; that question
            # names no prefix. So names of objects can be seen in the whole bucket, though only by listing all of it.
            folder = {"s3:prefix": [grant.folder, f"{grant.folder}/*"]}
            when = {"StringLikeIfExists": folder} if grant.folder else None
            statements.append(allow(*LISTING, on=bucket, when=when))
            if not grant.folder:
                statements.append(allow(*ABOUT_BUCKET, on=bucket))
        if grant.may == May.ALL:
            statements.append(allow(*UPLOADS, on=bucket))
    writes = any(May.WRITE in grant.may for grant in CONSUMERS[consumer])
    return [*statements, _key_through_s3(key_arn, buckets, write=writes)]


def _key_through_s3(key_arn: str, buckets: list[str], *, write: bool) -> Statement:
    """The right to use the key on objects of these buckets alone; writing in parts needs the one to read too.

    The encryption context is the bucket's ARN where the bucket has a key of its own derived from this one, and the
    object's otherwise: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    region = key_arn.split(":")[3]
    contexts = [context for bucket in buckets for context in (bucket, f"{bucket}/*")]
    return allow(
        *(("kms:Decrypt", "kms:GenerateDataKey") if write else ("kms:Decrypt",)),
        on=key_arn,
        when={
            "StringEquals": {"kms:ViaService": f"s3.{region}.{Partition.of(region).suffix}"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": contexts},
        },
    )


def ci_rights(scope: Scope) -> list[Statement]:
    """What a job on the project's branch may do: train, push images, find the cluster."""
    statements: list[Statement] = []
    if scope.data_bucket:
        buckets = scope.bucket_arn(scope.data_bucket), scope.bucket_arn(scope.artifact_bucket)
        statements += store_rights(PROJECT, *buckets, scope.key)
    if scope.repositories:
        statements += _image_rights(scope)
    if scope.cluster:
        statements.append(allow("eks:DescribeCluster", on=scope.cluster_arn))
    return statements


def preview_rights(scope: Scope) -> list[Statement]:
    """What a job of a pull request may do: read the data, and the state of this environment.

    A preview without a refresh compares the program with the state. It asks AWS for nothing but whose account it is,
    and that takes no right.
    """
    statements: list[Statement] = []
    if scope.data_bucket:
        bucket = scope.bucket_arn(scope.data_bucket)
        statements += [
            allow(*ACTIONS[May.READ], on=f"{bucket}/*"),
            allow(*LISTING, *ABOUT_BUCKET, on=bucket),
            _key_through_s3(scope.key, [bucket], write=False),
        ]
    return statements + state_rights(scope, write=False)


def _image_rights(scope: Scope) -> list[Statement]:
    """Pulling from and pushing to the environment's repositories; deleting nothing there."""
    return [
        # AWS grants it on everything or not at all: it gives a password, which opens what the next statement says.
        allow("ecr:GetAuthorizationToken", on="*"),
        allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
            on=scope.repository_arns,
        ),
    ]


def state_rights(scope: Scope, *, write: bool) -> list[Statement]:
    """What opens this stack in the bucket of the project's states, and no other one beside it.

    `seedbed state` makes the bucket and the key, with these names; before, there is nothing to open. A preview takes no
    lock and writes nothing: `Preview` and `apply` in Pulumi's pkg/backend/diy/backend.go (3.259).

    Args:
        scope: of the environment.
        write: whether it may be changed too, and locked for that.
    """
    account, name = scope.account, f"{scope.program}/{scope.account.settings.stack}"
    bucket = scope.bucket_arn(state_bucket(account))
    stack = [f"{bucket}/.pulumi/stacks/{name}.{kind}*" for kind in ("json", "pulumi-tags")]
    kept = [f"{bucket}/.pulumi/{kind}/{name}/*" for kind in ("history", "backups", "locks/organization")]
    # Everybody shares the names of buckets: while it isn't there, somebody else could make it.
    own = {"StringEquals": {"s3:ResourceAccount": account.id}}
    # A key's ARN isn't known before it is made; its alias is.
    key = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": state_alias(account)}}
    # Not through S3 only: the engine itself opens the secrets in the state with it.
    actions = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey") if write else ("kms:Decrypt",)
    return [
        allow("s3:GetObject", on=[f"{bucket}/.pulumi/meta.yaml", *stack, *kept], when=own),
        # Without a condition on the prefix, so that what isn't there is said to be so; see `store_rights`.
        allow("s3:GetBucketLocation", "s3:ListBucket", on=bucket, when=own),
        *([allow("s3:DeleteObject", "s3:PutObject", on=[*stack, *kept], when=own)] if write else []),
        allow(*actions, on=account.arn("kms", "key/*"), when=key),
    ]


def state_bucket(account: Account) -> str:
    """The bucket of the project's states, as `seedbed state` names it."""
    return limited(f"{account.settings.project}-state-{account.id}-{account.region}", BUCKET_LIMIT)


def state_alias(account: Account) -> str:
    """The alias of the key that locks the secrets in them, as `seedbed state` names it."""
    return limited(f"alias/{account.settings.project}-state", _ALIAS_LIMIT)
