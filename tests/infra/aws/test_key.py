import json

import pytest

from mlops_platform.components.aws.key import Key


@pytest.fixture
def key(on_aws):
    def run(**config):
        return on_aws(lambda account: {"arn": Key("key", account=account).arn}, **config)

    return run


def made(found):
    """AWS's own, of the two resources of that name."""
    (resource,) = (r for r in found.all("Key") if r.custom)
    return resource


def statements(found):
    return {s["Sid"]: s for s in json.loads(made(found).inputs["policy"])["Statement"]}


def test_it_is_exchanged_every_year_and_found_by_its_alias(key):
    found = key()
    assert made(found).inputs["enableKeyRotation"] is True
    alias = found.find("Alias").inputs
    assert alias["name"] == "alias/flights-prod"
    assert alias["targetKeyId"]
    assert found.outputs["arn"]


def test_who_may_use_it_is_left_to_the_accounts_own_policies(key):
    account = statements(key())["LeftToTheAccountsPolicies"]
    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}


def test_only_logs_of_this_account_and_region_use_it_in_their_own_name(key):
    services = [s for s in statements(key()).values() if "Service" in s["Principal"]]
    assert [s["Principal"] for s in services] == [{"Service": "logs.eu-west-1.amazonaws.com"}]
    assert services[0]["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:123456789012:log-group:*"}
    }
    assert not {"kms:*", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:ScheduleKeyDeletion"} & set(services[0]["Action"])
    assert not any(s["Principal"] == "*" or s["Principal"].get("AWS") == "*" for s in statements(key()).values())


@pytest.mark.parametrize(("protect", "days"), [("true", 30), ("false", 7)])
def test_its_deletion_can_be_taken_back_for_longer_where_data_is_protected(key, protect, days):
    found = made(key(protect=protect))
    assert found.inputs["deletionWindowInDays"] == days
    assert found.protect is (protect == "true")


def test_an_alias_fits_whatever_the_project_is_called(key):
    name = key(project="p" * 40, stack="s" * 20).find("Alias").inputs["name"]
    assert len(name) <= 256
