"""Roles that services of AWS take on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.policies import Statement

Conditions = dict[str, dict[str, Any]]


def trust(service: str, *actions: str, when: Conditions | None = None) -> Statement:
    """The statement that lets a service take a role on.

    Args:
        service: name of its principal, which is the same in every partition.
        actions: besides sts:AssumeRole.
        when: conditions, by operator and key.
    """
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", *actions],
    }
    return {**statement, "Condition": when} if when else statement


def declare(
    purpose: str,
    *,
    parent: pulumi.Resource,
    account: Account,
    component: str,
    trusts: Statement,
    managed: Sequence[str] = (),
    rights: pulumi.Input[str] | None = None,
) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """A role.

    Args:
        purpose: what it is for, its Pulumi name.
        parent: the component that it belongs to.
        account: where.
        component: for the tag.
        trusts: who takes it on.
        managed: names of AWS's own policies.
        rights: the text of a policy of ours.

    Returns:
        The role, and what makes it able to do its work: whoever uses it waits for that, and goes before it.
    """
    role = aws.iam.Role(
        purpose,
        name=account.name(purpose, limit=64),
        assume_role_policy=document(trusts),
        tags=account.tags(component),
        opts=account.child(parent),
    )
    able: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            f"{purpose}-{policy}",
            role=role.name,
            policy_arn=f"arn:{account.partition.name}:iam::aws:policy/{policy}",
            opts=account.child(parent),
        )
        for policy in managed
    ]
    if rights is not None:
        able.append(
            aws.iam.RolePolicy(purpose, name=purpose, role=role.name, policy=rights, opts=account.child(parent))
        )
    return role, able
