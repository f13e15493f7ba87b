"""What an account of AWS still holds of an environment: the proof behind `down`, and what holds a `down` up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from seedbed import naming
from seedbed.environments.aws import ec2
from seedbed.environments.aws.account import CONNECTIONS, Account
from seedbed.environments.aws.errors import (
    AwsError,
    CredentialsExpiredError,
    CredentialsMissingError,
    CredentialsRefusedError,
    NotAllowedError,
    UnreachableError,
    translated,
)
from seedbed.environments.aws.kinds import KINDS, Kind
from seedbed.environments.aws.scope import ENVIRONMENT_TAG, Found, Scope, existing, pages
from seedbed.environments.inventory import Inventory

_PAUSE = 5.0
_SHOWN = 20
_CLUSTER_LIMIT = 63
# Without these nothing is learnt of any other kind either.
_NOTHING_KNOWN = (CredentialsExpiredError, CredentialsMissingError, CredentialsRefusedError, UnreachableError)
# What AWS takes minutes to end, while other things wait for it.
_SLOW = frozenset({"EKS clusters", "NAT gateways", "VPC endpoints", "instances", "load balancers and target groups"})


@dataclass
class _Look:
    """What one look at the account brought.

    Attributes:
        found: what is there.
        unproven: kinds of which nothing is known, and why.
        again: whether another look may know more of them.
    """

    found: list[Found] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    again: bool = False


def cluster_name(slug: str, environment: str) -> str:
    """The EKS cluster of an environment. The Pulumi program follows the same rule; a test holds the two together."""
    return naming.shorten(f"{slug}-{environment}", _CLUSTER_LIMIT)


def scope_of(account: Account, slug: str, environment: str, *, has_cluster: bool = True) -> Scope:
    """Whose things are looked for.

    Args:
        account: where.
        slug: of the project.
        environment: its name.
        has_cluster: whether it has, or had, a cluster, which makes things by itself.

    Raises:
        AwsError: whose the cluster of that name is could not be found out.
    """
    stem, cluster = f"{slug}-{environment}", cluster_name(slug, environment) if has_cluster else ""
    scope = Scope(account, f"{slug}.{environment}", stem, cluster)
    if not cluster:
        return scope
    with translated(f"look for EKS cluster {cluster}"):
        there = existing(account.client("eks").describe_cluster, "ResourceNotFoundException", name=cluster)
    # A cluster of somebody else with this name makes things with this name in their tags: they are not ours.
    if there and not scope.owns(there["cluster"].get("tags") or {}):
        return Scope(account, scope.environment, stem)
    return scope


def settled(scope: Scope, seconds: float) -> Inventory:
    """The inventory after giving what is being deleted, and AWS's own lists, up to this long to end.

    Args:
        scope: whose things are looked for.
        seconds: how long.

    Raises:
        AwsError: AWS could not be asked, so that nothing is known.
    """
    deadline = time.monotonic() + seconds
    while True:
        look = _take(scope)
        left = [found for found in look.found if not found.until]
        if not (left or look.again) or time.monotonic() >= deadline:
            break
        time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))
    return Inventory(
        checked={"kinds of AWS resources": len(KINDS)},
        leftovers=[*map(str, left), *look.unproven],
        ending=[str(found) for found in look.found if found.until],
    )


def blockers(scope: Scope) -> list[str]:
    """What was told to end and has not, and what keeps the network from being deleted."""
    slow = [kind for kind in KINDS if kind.name in _SLOW]
    look = _search(scope, slow)
    lines = [str(found) for found in look.found if found.ending or not found.until]
    with translated("look for network interfaces"):
        lines += ec2.in_the_network(scope)
    return [*lines[:_SHOWN], f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else lines


def _take(scope: Scope) -> _Look:
    return _search(scope, [*KINDS, _OTHERS])


def _search(scope: Scope, kinds: list[Kind]) -> _Look:
    look = _Look()

    def one(kind: Kind) -> list[Found]:
        try:
            with translated(f"list {kind.name}"):
                return list(kind.search(scope))
        except _NOTHING_KNOWN:
            raise
        except NotAllowedError:
            look.unproven.append(f"{kind.name}: your account may not list them, so nothing is proven of them")
        except AwsError as error:
            look.unproven.append(f"{kind.name}: {error.message}")
            look.again = True
        return []

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for found in pool.map(one, kinds):
            look.found += found
    look.unproven.sort()
    return look


def _others(scope: Scope) -> Iterator[Found]:
    """What carries the tag and is of a kind that no search covers, by AWS's list of all tagged things."""
    wanted = [{"Key": ENVIRONMENT_TAG, "Values": [scope.environment]}]
    covered = {arn for kind in KINDS for arn in kind.arns}
    found = set()
    for region in sorted({scope.account.region, scope.account.home_region}):
        client = scope.account.client("resourcegroupstaggingapi", region)
        for hit in pages(client, "get_resources", "ResourceTagMappingList", TagFilters=wanted):
            arn = hit["ResourceARN"]
            service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
            if not any(f"{service}:{rest}".startswith(beginning) for beginning in covered):
                found.add(arn)
    for arn in sorted(found):
        yield Found("resource", arn)


_OTHERS = Kind("other tagged things", (), (), _others)
