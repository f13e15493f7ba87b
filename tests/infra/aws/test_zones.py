import pytest
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from mlops_platform.components.aws.zones import zones
from mlops_platform.errors import PlatformError

# Where EKS runs no control plane, by AWS's own words.
_WITHOUT_EKS = {"use1-az3", "usw1-az2", "cac1-az3"}


@pytest.mark.parametrize(("region", "known"), RegionsAndZonesBackend.zones.items())
def test_zones_are_ones_that_the_region_has(region, known):
    found = zones(region)
    assert len(set(found)) == min(3, len(known))
    assert set(found) <= {zone.zone_id for zone in known} - _WITHOUT_EKS


def test_a_region_that_is_newer_than_the_table_is_named_by_the_rule():
    assert zones("eu-southwest-3") == ("eusw3-az1", "eusw3-az2", "eusw3-az3")


@pytest.mark.parametrize("region", ["eusc-de-east-1", "us-iso-east-1", "eu-isoe-west-1"])
def test_where_the_zones_are_not_known_no_network_is_made(region):
    with pytest.raises(PlatformError, match=f"zones of {region} are not known") as caught:
        zones(region)
    assert "variant lite" in caught.value.remedy
