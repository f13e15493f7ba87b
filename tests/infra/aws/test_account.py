import botocore.loaders
import pytest

from mlops_platform.partitions import Partition


def test_the_provider_is_bound_to_the_account_and_tags_everything(on_aws):
    provider = on_aws(lambda _: None).find("aws")
    assert provider.inputs["allowedAccountIds"] == '["123456789012"]'
    assert provider.inputs["region"] == "eu-west-1"
    assert '"seedbed:environment": "flights.prod"' in provider.inputs["defaultTags"]
    assert "accessKey" not in provider.inputs


def test_partitions_are_those_that_botocore_knows():
    endpoints = botocore.loaders.create_loader().load_data("endpoints")
    found = {}
    for part in endpoints["partitions"]:
        for region in part["regions"]:
            if not region.endswith("-global"):
                found[region] = Partition(part["partition"], part["dnsSuffix"])
    assert len({partition.name for partition in found.values()}) >= 6
    assert {region: Partition.of(region) for region in found} == found


@pytest.mark.parametrize("limit", [24, 32, 63])
def test_a_long_name_ends_in_a_hash_of_the_whole(on_aws, limit):
    names = []
    for project in ("p" * 40, "p" * 39 + "q"):
        on_aws(lambda account: names.append(account.name("data", limit=limit)), project=project, stack="s" * 20)
    assert len(set(names)) == 2
    assert {len(name) for name in names} == {limit}
