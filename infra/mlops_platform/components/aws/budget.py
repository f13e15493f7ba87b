"""The alarm that goes off when an environment costs more than it may."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws.account import ENVIRONMENT_TAG, Account
from mlops_platform.errors import PlatformError

COMPONENT = "budget"
_NAME_LIMIT = 100
# Percent of the budget, of what was spent and of what the month is forecast to cost. AWS forecasts after some weeks.
_ALARMS = ((80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"))
# AWS Budgets is one service for the whole partition. Elsewhere it is missing, or counts in another currency.
_PARTITION = "aws"


class Budget(pulumi.ComponentResource):
    """A monthly budget over everything with the environment's tag, and who is told.

    AWS counts costs by a tag only from the day on which the tag was activated for that, once for a whole organization,
    by its management account, and not before the tag has appeared in billing data. So it can't be part of an
    environment: `up` would fail the first time, and `down` would take it from all others.

    Args:
        name: Pulumi name.
        account: where. Its settings say how much, and who is told.
        opts: Pulumi options.

    Raises:
        PlatformError: the region belongs to a part of AWS without budgets in US dollars.
    """

    def __init__(self, name: str, *, account: Account, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:aws:Budget", name, None, opts)
        options = account.options
        if account.partition.name != _PARTITION:
            raise PlatformError(
                f"There is no budget in US dollars in {account.region}: it belongs to {account.partition.name}, where"
                " AWS Budgets is missing or counts in another currency",
                "Leave it out (pulumi config rm budget; pulumi config rm budgetEmail), and watch the costs where that"
                " part of AWS is billed",
            )
        aws.budgets.Budget(
            name,
            account_id=account.id,
            name=budget_name(account),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(options.budget),
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:{ENVIRONMENT_TAG}${account.environment}"]}],
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "notification_type": kind,
                    "subscriber_email_addresses": [options.budget_email],
                }
                for percent, kind in _ALARMS
            ],
            tags=account.tags(COMPONENT),
            opts=account.child(self),
        )
        self.register_outputs({})


def budget_name(account: Account) -> str:
    """What the environment's budget is called."""
    return account.name(limit=_NAME_LIMIT)
