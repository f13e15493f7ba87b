"""Whose things are looked for on AWS, and how its services are asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seedbed.environments.aws.account import Account
from seedbed.environments.aws.errors import code_of

ENVIRONMENT_TAG = "seedbed:environment"
GONE_STATES = frozenset({"deleted", "terminated"})
ENDING_STATES = frozenset({"deleting", "shutting-down", "DELETING"})
# Longer names are cut, and end in a hash: so much of them stays in any case.
_STEM = 20
# The marks that EKS, its Auto Mode and its controllers put on what they make: keys whose value is the cluster's name,
# and one that has it inside.
CLUSTER_TAGS = (
    "eks:eks-cluster-name",
    "aws:eks:cluster-name",
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
)
CLUSTER_TAG = "kubernetes.io/cluster/{}"


@dataclass(frozen=True)
class Scope:
    """Whose things are looked for.

    Attributes:
        account: that they are in.
        environment: the value of the tag on all of them.
        stem: what their names begin with, where they have names.
        cluster: name of the EKS cluster, which makes things by itself; empty: there is none of ours.
    """

    account: Account
    environment: str
    stem: str
    cluster: str = ""

    def may_own(self, name: str) -> bool:
        """Whether a thing of this name is worth a look at its tags."""
        return any(part.startswith(self.stem[:_STEM]) for part in name.split("/"))

    def owns(self, tags: Iterable[dict[str, str]] | dict[str, str]) -> bool:
        """Whether these tags make it ours, in any of the spellings that the services have for them."""
        if not isinstance(tags, dict):
            tags = {
                tag.get("Key", tag.get("key", tag.get("TagKey", ""))): tag.get(
                    "Value", tag.get("value", tag.get("TagValue", ""))
                )
                for tag in tags
            }
        return tags.get(ENVIRONMENT_TAG) == self.environment


@dataclass(frozen=True)
class Found:
    """Something that is there.

    Attributes:
        kind: in words.
        name: by which a person finds it.
        ending: whether it is being deleted already.
        until: date on which it goes by itself, costing nothing until then.
    """

    kind: str
    name: str
    ending: bool = False
    until: str = ""

    def __str__(self) -> str:
        if self.until:
            return f"{self.kind} {self.name}: goes on {self.until} and costs nothing until then"
        return f"{self.kind} {self.name}" + (", which is being deleted" if self.ending else "")


def pages(client: Any, operation: str, answer: str, **arguments: Any) -> Iterator[Any]:
    """All items of a list, however many answers it takes."""
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page.get(answer) or ()
    else:
        yield from getattr(client, operation)(**arguments).get(answer) or ()


def existing(ask: Callable[..., Any], *absent: str, **arguments: Any) -> Any:
    """The answer about one thing, or None when it has gone since it was listed."""
    from botocore.exceptions import ClientError

    try:
        return ask(**arguments)
    except ClientError as error:
        if code_of(error) in absent:
            return None
        raise
