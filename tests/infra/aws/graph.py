"""What can be asked of a recorded program as a whole: who waits for whom, and what carries our tags."""

import inspect
import re

import pulumi_aws

from mlops_platform import recording
from mlops_platform.components.aws.account import COMPONENT_TAG
from mlops_platform.partitions import Partition

_TOKEN = re.compile(r"aws:(\w+)/\w+:(\w+)")


def answers(type_, name, inputs, *, region="eu-west-1"):
    """What AWS would make up: the recording's own values, in the region's partition, and a cluster's security group."""
    made = recording.placeholders(type_, name, inputs)
    kind = type_.rpartition(":")[2]
    made["id"] = f"{kind}-{name}-id"
    made["arn"] = f"arn:{Partition.of(region).name}:made:{region}:123456789012:{kind}/{name}"
    if kind == "Cluster":
        made["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-of-the-cluster"}
        made["certificateAuthority"] = {"data": "LS0tUEVNLS0t"}
    return made


def before(recorded, resource):
    """All that is there before a resource, and goes after it, as (kind, name)."""
    by_urn = {r.urn: r for r in recorded.resources}
    found, waiting = set(), list(resource.dependencies)
    while waiting:
        urn = waiting.pop()
        if urn not in found:
            found.add(urn)
            waiting += by_urn[urn].dependencies if urn in by_urn else []
    return {_identity(by_urn[urn]) for urn in found if urn in by_urn}


def inputs(recorded):
    """What is declared, by kind and name, in whatever order it was."""
    return {_identity(r): r.inputs for r in recorded.resources}


def untagged(recorded):
    """Those that could carry a component's tag and don't."""
    return [_identity(r) for r in recorded.resources if _takes_tags(r.type) and not _tagged(r)]


def arns(value):
    """Every ARN in recorded inputs, also inside the text of a policy."""
    return re.findall(r"arn:[a-z-]+:[^\s\"'\\]*", str(value))


def _identity(resource):
    return resource.type.rpartition(":")[2], resource.name


def _tagged(resource):
    return bool((resource.inputs.get("tags") or {}).get(COMPONENT_TAG))


def _takes_tags(type_):
    found = _TOKEN.fullmatch(type_)
    if found is None:
        return False
    made = getattr(getattr(pulumi_aws, found[1]), found[2])
    return "tags" in inspect.signature(made._internal_init).parameters
