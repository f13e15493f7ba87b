"""The key that an environment's data, images, logs and secrets are encrypted with."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws.account import Account, document

_COMPONENT = "key"
_ALIAS_LIMIT = 250
# How long the deletion of a key can still be taken back. What was encrypted with it is lost afterwards.
_DELETION_DAYS, _PROTECTED_DELETION_DAYS = 7, 30


class Key(pulumi.ComponentResource):
    """One KMS key, which AWS exchanges every year.

    Its policy leaves to the account's own policies who may use it, so that each identity's rights stand in one place.
    S3, ECR and EKS use it in the name of whoever calls them. Only CloudWatch Logs does so in its own.

    Args:
        name: Pulumi name.
        account: where.
        opts: Pulumi options.

    Attributes:
        arn: of the key.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, *, account: Account, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:aws:Key", name, None, opts)
        key = aws.kms.Key(
            _COMPONENT,
            description=f"Data, images, logs and secrets of the environment {account.environment}",
            enable_key_rotation=True,
            deletion_window_in_days=_PROTECTED_DELETION_DAYS if account.options.protect else _DELETION_DAYS,
            policy=_policy(account),
            tags=account.tags(_COMPONENT),
            opts=account.child(self, holds_data=True),
        )
        aws.kms.Alias(
            _COMPONENT,
            name=f"alias/{account.name(limit=_ALIAS_LIMIT)}",
            target_key_id=key.id,
            opts=account.child(self),
        )
        self.arn = key.arn
        self.register_outputs({"arn": key.arn})


def _policy(account: Account) -> str:
    return document(
        {
            "Sid": "LeftToTheAccountsPolicies",
            "Effect": "Allow",
            "Principal": {"AWS": account.arn("iam", "root", region=False)},
            "Action": "kms:*",
            "Resource": "*",
        },
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        {
            "Sid": "GroupsOfLogsOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{account.region}.{account.partition.suffix}"},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": account.arn("logs", "log-group:*")}},
        },
    )
