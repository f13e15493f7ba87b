"""The parts that AWS is divided into: each has its own names for the same services."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Partition:
    """One part.

    Attributes:
        name: as ARNs have it.
        suffix: of the names of its hosts.
    """

    name: str
    suffix: str

    @classmethod
    def of(cls, region: str) -> Partition:
        """The one that a region belongs to, by botocore's table of region names."""
        for prefix, found in _PARTITIONS.items():
            if region.startswith(prefix):
                return found
        return _COMMERCIAL


_COMMERCIAL = Partition("aws", "amazonaws.com")
_PARTITIONS = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
    "us-isob-": Partition("aws-iso-b", "sc2s.sgov.gov"),
    "us-isof-": Partition("aws-iso-f", "csp.hci.ic.gov"),
    "us-iso-": Partition("aws-iso", "c2s.ic.gov"),
    "eu-isoe-": Partition("aws-iso-e", "cloud.adc-e.uk"),
    "eusc-": Partition("aws-eusc", "amazonaws.eu"),
}
