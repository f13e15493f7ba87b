"""Whether an account's quotas leave room for an environment: those that usually bite, used and needed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.environments.aws.account import Account
from seedbed.environments.aws.errors import code_of
from seedbed.environments.aws.scope import pages
from seedbed.environments.cluster.finding import Finding

# The families whose virtual CPUs count as "standard": not Inf, Trn, DL or Hpc, which begin with the same letters.
_STANDARD = re.compile(r"([acdhimrtz]|im|is)[0-9]")
_RUNNING = ["pending", "running"]
_NAT_STATES = ["available", "pending"]


@dataclass(frozen=True)
class Needs:
    """What is still to be made.

    Attributes:
        types: how many of each of Pulumi's types.
        cpus: virtual CPUs of the nodes that are still to be started.
        nat_zones: IDs of the zones that NAT gateways will be in.
    """

    types: Mapping[str, int]
    cpus: int = 0
    nat_zones: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Quota:
    """One quota.

    Attributes:
        title: of what it limits, plural.
        service: that it belongs to, as Service Quotas calls it.
        code: likewise.
        needed: how many more.
        used: how many there are that stand in the way of those.
    """

    title: str
    service: str
    code: str
    needed: Callable[[Needs], int]
    used: Callable[[Account, Needs], int]


def _count(type_: str) -> Callable[[Needs], int]:
    return lambda needs: needs.types.get(type_, 0)


def _listed(service: str, operation: str, answer: str) -> Callable[[Account, Needs], int]:
    return lambda account, _needs: sum(1 for _ in pages(account.client(service), operation, answer))


def _fullest_zone(account: Account, needs: Needs) -> int:
    """How many are in that of the wanted zones which has most."""
    client = account.client("ec2")
    zones = {s["SubnetId"]: s["AvailabilityZoneId"] for s in pages(client, "describe_subnets", "Subnets")}
    states = [{"Name": "state", "Values": _NAT_STATES}]
    gateways = pages(client, "describe_nat_gateways", "NatGateways", Filters=states)
    counts = Counter(zones.get(gateway["SubnetId"], "") for gateway in gateways)
    return max((counts[zone] for zone in needs.nat_zones), default=0)


def _running_cpus(account: Account, _needs: Needs) -> int:
    states = [{"Name": "instance-state-name", "Values": _RUNNING}]
    total = 0
    for reservation in pages(account.client("ec2"), "describe_instances", "Reservations", Filters=states):
        for instance in reservation["Instances"]:
            on_demand = "InstanceLifecycle" not in instance
            if on_demand and _STANDARD.match(instance["InstanceType"]):
                cpus = instance.get("CpuOptions", {})
                total += int(cpus.get("CoreCount", 1)) * int(cpus.get("ThreadsPerCore", 1))
    return total


QUOTAS = (
    Quota("VPCs", "vpc", "L-F678F1CE", _count("aws:ec2/vpc:Vpc"), _listed("ec2", "describe_vpcs", "Vpcs")),
    Quota(
        "elastic IPs", "ec2", "L-0263D0A3", _count("aws:ec2/eip:Eip"),
        _listed("ec2", "describe_addresses", "Addresses"),
    ),
    Quota(
        "NAT gateways in one zone", "vpc", "L-FE5A380F",
        lambda needs: min(1, needs.types.get("aws:ec2/natGateway:NatGateway", 0)), _fullest_zone,
    ),
    Quota(
        "virtual CPUs of on-demand instances", "ec2", "L-1216C47A", lambda needs: needs.cpus, _running_cpus,
    ),
    Quota(
        "EKS clusters", "eks", "L-1194D53C", _count("aws:eks/cluster:Cluster"),
        _listed("eks", "list_clusters", "clusters"),
    ),
    Quota("buckets", "s3", "L-DC2B2D3D", _count("aws:s3/bucket:Bucket"), _listed("s3", "list_buckets", "Buckets")),
)  # fmt: skip


def check(account: Account, quota: Quota, needs: Needs) -> Iterator[Finding]:
    """Compare one quota with what is used and needed.

    Args:
        account: whose.
        quota: which.
        needs: what is still to be made.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
    """
    if not (needed := quota.needed(needs)):
        return
    if (limit := _limit(account, quota)) is None:
        yield Finding(
            "warning", f"Not checked, the quota of {quota.title}: AWS gives no value for it", "It may be all right"
        )
        return
    used = quota.used(account, needs)
    if used + needed > limit:
        more = f"aws service-quotas request-service-quota-increase --service-code {quota.service}"
        more += f" --quota-code {quota.code} --desired-value {used + needed} --region {account.region}"
        yield Finding(
            "error",
            f"The account may have {limit:.0f} {quota.title} in {account.region}, has {used},"
            f" and the environment needs {needed} more",
            f"Remove some, use another region, or ask for more: {more}",
        )


def _limit(account: Account, quota: Quota) -> float | None:
    """The account's own limit, or else AWS's default."""
    from botocore.exceptions import ClientError

    client: Any = account.client("service-quotas")
    for ask in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            return float(ask(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"])
        except ClientError as error:
            if code_of(error) != "NoSuchResourceException":
                raise
        except KeyError:
            continue
    return None
