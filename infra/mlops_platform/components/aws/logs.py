"""Groups of logs: encrypted with the environment's key, and not kept for ever."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws.account import Account

# Long enough to look back from an audit. What they cost is nearly all for taking logs in, so that a shorter time in a
# small environment would save nothing; and they go with it.
DAYS = 365


def declare(
    name: str, *, parent: pulumi.Resource, account: Account, log_name: str, component: str, key_arn: pulumi.Input[str]
) -> aws.cloudwatch.LogGroup:
    """A group.

    Args:
        name: Pulumi name.
        parent: the component that it belongs to.
        account: where.
        log_name: how AWS calls it.
        component: whose logs these are.
        key_arn: of the key that they are encrypted with; its policy must let CloudWatch Logs use it.
    """
    return aws.cloudwatch.LogGroup(
        name,
        name=log_name,
        retention_in_days=DAYS,
        kms_key_id=key_arn,
        tags=account.tags(component),
        opts=account.child(parent),
    )
