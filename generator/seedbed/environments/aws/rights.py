"""Whether the caller may make what an environment consists of, by the word of IAM's own simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seedbed.environments.aws.account import Account
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.scope import ENVIRONMENT_TAG, pages
from seedbed.environments.cluster.finding import Finding

# Pulumi's type → the action that makes it, the service and kind of its ARN, and the input that holds its name. Without
# the last two it has no name before it is made. One action stands for those that come with it.
_MAKING: dict[str, tuple[str, str, str]] = {
    "aws:s3/bucket:Bucket": ("s3:CreateBucket", "s3::", "bucket"),
    "aws:ecr/repository:Repository": ("ecr:CreateRepository", "ecr:repository/", "name"),
    "aws:iam/role:Role": ("iam:CreateRole", "iam:role/", "name"),
    "aws:iam/policy:Policy": ("iam:CreatePolicy", "iam:policy/", "name"),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": ("iam:CreateOpenIDConnectProvider", "", ""),
    "aws:kms/key:Key": ("kms:CreateKey", "", ""),
    "aws:cloudwatch/logGroup:LogGroup": ("logs:CreateLogGroup", "logs:log-group:", "name"),
    "aws:eks/cluster:Cluster": ("eks:CreateCluster", "eks:cluster/", "name"),
    "aws:ec2/vpc:Vpc": ("ec2:CreateVpc", "", ""),
    "aws:ec2/subnet:Subnet": ("ec2:CreateSubnet", "", ""),
    "aws:ec2/eip:Eip": ("ec2:AllocateAddress", "", ""),
    "aws:ec2/natGateway:NatGateway": ("ec2:CreateNatGateway", "", ""),
    "aws:budgets/budget:Budget": ("budgets:ModifyBudget", "", ""),
}
_GLOBAL = frozenset({"iam"})


def check(account: Account, declared: Iterable[Declared], environment: str) -> Iterator[Finding]:
    """Name the actions that the simulator denies.

    Args:
        account: whose caller is looked at.
        declared: what is still to be made.
        environment: the value of the tag on all of it.

    Raises:
        botocore.exceptions.ClientError: the caller may not ask the simulator, which is common.
    """
    caller = _principal(account)
    if caller.endswith(":root"):
        return
    asked: dict[str, set[str]] = {}
    for resource in declared:
        if made := _MAKING.get(resource.type):
            action, place, key = made
            asked.setdefault(action, set()).add(_arn(account, place, str(resource.inputs.get(key, ""))))
    denied: list[str] = []
    unsure: list[str] = []
    for action, arns in sorted(asked.items()):
        for verdict in _simulated(account, caller, action, sorted(arns - {"*"}), environment):
            if verdict["EvalDecision"] != "allowed":
                # A policy with a condition on what the simulator is not told decides only when it is really asked.
                (unsure if verdict.get("MissingContextValues") else denied).append(action)
                break
    who = account.caller.rpartition(":")[2]
    if denied:
        yield Finding(
            "error",
            f"{who} may not do what the environment needs: {', '.join(denied)}",
            "Ask the account's administrator for these rights, or use a role that has them",
        )
    if unsure:
        yield Finding(
            "warning",
            f"Whether {who} may do this depends on conditions that were not checked: {', '.join(unsure)}",
            "It may be all right",
        )


def _principal(account: Account) -> str:
    """The ARN of the user or role behind the credentials: that of a session has no policies, and no path."""
    resource = account.caller.rpartition(":")[2]
    if not resource.startswith("assumed-role/"):
        return account.caller
    role = account.client("iam").get_role(RoleName=resource.split("/")[1])
    return str(role["Role"]["Arn"])


def _arn(account: Account, place: str, name: str) -> str:
    if not name:
        return "*"
    service, _, kind = place.partition(":")
    if service == "s3":
        return f"arn:{account.partition}:s3:::{name}"
    return account.arn(service, f"{kind}{name}", region=service not in _GLOBAL)


def _simulated(
    account: Account, caller: str, action: str, arns: list[str], environment: str
) -> Iterator[Mapping[str, Any]]:
    known = {
        f"aws:RequestTag/{ENVIRONMENT_TAG}": environment,
        f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment,
        "aws:RequestedRegion": account.region,
    }
    context = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"} for key, value in known.items()
    ]
    yield from pages(
        account.client("iam"), "simulate_principal_policy", "EvaluationResults", PolicySourceArn=caller,
        ActionNames=[action], ContextEntries=context, **({"ResourceArns": arns} if arns else {}),
    )  # fmt: skip
