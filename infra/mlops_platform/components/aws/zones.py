"""Which availability zones of a region an environment is in.

They are named by their IDs, which mean the same place in every account; the letters of `eu-west-1a` don't, and asking
AWS for a list would give another answer on another day.
"""

from __future__ import annotations

import re

from mlops_platform.errors import PlatformError
from mlops_platform.partitions import Partition

_REGION = re.compile(r"([a-z]{2})(-gov)?-([a-z]+)-([0-9]+)")
_DIRECTION = re.compile(r"north|south|east|west|central")
_USUAL = (1, 2, 3)
# What is not open to every account, or where EKS runs no control plane:
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
_OTHERS = {
    "ap-northeast-1": (1, 2, 4),
    "ca-central-1": (1, 2, 4),
    "cn-north-1": (1, 2),
    "us-east-1": (1, 2, 4),
    "us-west-1": (1, 3),
}
# AWS says nothing of how zones are called in the others.
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


def zones(region: str) -> tuple[str, ...]:
    """The IDs of three zones of a region, or of the two that it has for everybody, such as "euw1-az1".

    Raises:
        PlatformError: it isn't known what the region's zones are called.
    """
    parts = _REGION.fullmatch(region)
    if parts is None or Partition.of(region).name not in _PARTITIONS:
        raise PlatformError(
            f"The availability zones of {region} are not known, so no cluster can be made there",
            "Choose another region (pulumi config set region eu-west-1), or bring the cluster yourself:"
            " pulumi config set variant lite",
        )
    country, government, direction, number = parts.groups()
    initials = "".join(word[0] for word in _DIRECTION.findall(direction))
    prefix = f"{country}{'g' if government else ''}{initials}{number}"
    return tuple(f"{prefix}-az{zone}" for zone in _OTHERS.get(region, _USUAL))
