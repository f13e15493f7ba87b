"""What a cluster on EKS made by itself and left behind, as a resource whose deletion clears it away.

Load balancers, volumes and addresses are no resources of the stack: EKS and controllers in the cluster made them. They
go with their cluster as a rule, minutes after it, and until then its network can't be deleted. So this one is declared
between the two: after the network, before the cluster.
"""

from __future__ import annotations

import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from mlops_platform.errors import PlatformError
from mlops_platform.resources.aws import connection, orphans
from mlops_platform.resources.provider import Provider, expected

_WAIT_SECONDS, _PAUSE_SECONDS = 900.0, 10.0
_SHOWN = 10


class ClusterRemainsProvider(Provider):
    """Nothing is made; what the cluster leaves is deleted or waited for in the end."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep whose it would be."""
        return CreateResult(props["cluster"], dict(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether it is about another cluster or network now: then the former's remains go as well."""
        wanted = expected(olds, news)
        moved = [key for key in ("cluster", "network", "account", "region") if olds[key] != wanted[key]]
        return DiffResult(changes=any(olds.get(key) != value for key, value in wanted.items()), replaces=moved)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep what has changed."""
        return UpdateResult(dict(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Delete what is provably the cluster's and in nobody's use, and wait for what goes by itself.

        Raises:
            PlatformError: the cluster still exists, or these are credentials of another account: then nothing was
                deleted; or something is left after 15 minutes, or is somebody else's.
        """
        cluster = props["cluster"]
        connection.require_account(props)
        with connection.explained(f"clear away what cluster {cluster} left"):
            if _exists(props):
                raise PlatformError(
                    f"Cluster {cluster} still exists, so what it made may be in use: nothing of it was deleted",
                    "Run down again. If the state has forgotten the cluster, delete it first:"
                    f" aws eks delete-cluster --name {cluster} --region {props['region']}",
                )
            _clear(orphans.Finder(props))


class ClusterRemains(Resource, module="mlops", name="ClusterRemains"):
    """What a cluster may leave.

    Args:
        name: Pulumi name.
        cluster: its name.
        network: ID of its VPC.
        account: number of the account that it is in.
        region: that it is in.
        environment: value of the tag of the environment.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: str,
        network: pulumi.Input[str],
        account: str,
        region: str,
        environment: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "cluster": cluster,
            "network": network,
            "account": account,
            "region": region,
            "environment": environment,
        }
        super().__init__(ClusterRemainsProvider(), name, inputs, opts)


def _exists(props: dict[str, Any]) -> bool:
    client = connection.client("eks", props)
    try:
        client.describe_cluster(name=props["cluster"])
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _clear(finder: orphans.Finder) -> None:
    """Look again and again, until there is nothing left or waiting is of no use.

    Raises:
        PlatformError: something is left, and named.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while found := finder.find():
        for orphan in found:
            if orphan.delete is not None:
                orphans.delete(orphan.delete)
        if time.monotonic() > deadline or not any(orphan.passing for orphan in found):
            shown = "; ".join(f"{orphan.name} ({orphan.state})" for orphan in found[:_SHOWN])
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise PlatformError(
                f"The network can't be deleted, since this is left in it or of its cluster: {shown}{more}",
                "What isn't the cluster's was put there by somebody: have it removed. What is will be gone after a"
                " while, or AWS says why not (its console, or aws with the ID). Then run the command again.",
            )
        time.sleep(_PAUSE_SECONDS)
