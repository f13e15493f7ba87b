import json

import pytest
from tests.conftest import ROOT

from mlops_platform.components.aws.budget import Budget
from mlops_platform.errors import PlatformError
from seedbed.environments.aws import scope


def recorded(on_aws, **values):
    given = {"budget": "200", "budgetEmail": "ml@example.com", **values}
    return on_aws(lambda account: Budget("budget", account=account) and None, **given)


def declared(on_aws, **values):
    """The inputs of the only budget."""
    (found,) = (resource for resource in recorded(on_aws, **values).all("Budget") if resource.custom)
    return found.inputs


def test_a_months_costs_of_what_carries_the_environments_tag(on_aws):
    budget = declared(on_aws)
    assert {key: budget[key] for key in ("accountId", "name", "budgetType", "timeUnit", "limitAmount", "limitUnit")} == {
        "accountId": "123456789012", "name": "flights-prod", "budgetType": "COST", "timeUnit": "MONTHLY",
        "limitAmount": "200", "limitUnit": "USD",
    }  # fmt: skip
    # The tag as all resources have it, written as Budgets wants those of users: key, dollar sign, value.
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:seedbed:environment$flights.prod"]}]
    assert budget["tags"]["seedbed:component"] == "budget"


def test_the_filter_names_the_tag_that_the_provider_puts_on_everything(on_aws):
    found = recorded(on_aws, project="late-flights")
    tags = json.loads(found.find("aws").inputs["defaultTags"])["tags"]
    (budget,) = (resource for resource in found.all("Budget") if resource.custom)
    (value,) = budget.inputs["costFilters"][0]["values"]
    key, _, wanted = value.removeprefix("user:").partition("$")
    assert tags[key] == wanted
    assert key == scope.ENVIRONMENT_TAG, "whose activation `seedbed cost` and docs/cost.md tell of"
    assert f"TagKey={key},Status=Active" in (ROOT / "docs" / "cost.md").read_text()


def test_somebody_is_told_before_at_and_when_it_is_foreseen(on_aws):
    told = declared(on_aws)["notifications"]
    assert {(one["threshold"], one["notificationType"]) for one in told} == {
        (80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"),
    }  # fmt: skip
    for one in told:
        assert one["thresholdType"] == "PERCENTAGE"
        assert one["comparisonOperator"] == "GREATER_THAN"
        assert one["subscriberEmailAddresses"] == ["ml@example.com"]


@pytest.mark.parametrize(("budget", "amount"), [("200", "200"), ("1000000", "1000000")])
def test_the_amount_is_as_it_was_given(on_aws, budget, amount):
    assert declared(on_aws, budget=budget)["limitAmount"] == amount


def test_the_longest_name_fits(on_aws):
    name = declared(on_aws, project="a" * 40)["name"]
    assert len(name) <= 100
    assert not set(name) & set(":\\")


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_where_aws_has_no_budget_in_dollars_it_is_refused(on_aws, region, partition):
    with pytest.raises(PlatformError) as error:
        declared(on_aws, region=region)
    assert partition in error.value.problem
    assert "pulumi config rm budget" in error.value.remedy
