"""What every part of an environment on AWS has to know: which account and region, and how it is called and tagged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from mlops_platform.names import limited
from mlops_platform.partitions import Partition
from mlops_platform.settings import Settings
from mlops_platform.settings.aws import AwsSettings

if TYPE_CHECKING:
    import pulumi_aws as aws

# Every resource of an environment carries this tag. It is what is looked for after `down`, and what costs are told
# apart by.
ENVIRONMENT_TAG = "seedbed:environment"
COMPONENT_TAG = "seedbed:component"


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account of an environment, as its parts see it.

    Attributes:
        provider: with which resources are made; bound to the account and region that the settings name, and it puts
            `tags` on all of them.
        settings: of the environment.
    """

    provider: aws.Provider
    settings: Settings

    @property
    def options(self) -> AwsSettings:
        """The settings that only AWS has."""
        assert self.settings.aws is not None  # noqa: S101 - `settings.load` sets them for this target
        return self.settings.aws

    @property
    def id(self) -> str:
        """The account's number."""
        return self.options.account

    @property
    def region(self) -> str:
        """That everything is in."""
        return self.options.region

    @property
    def partition(self) -> Partition:
        """The part of AWS that the region belongs to."""
        return Partition.of(self.region)

    @property
    def environment(self) -> str:
        """The value of `ENVIRONMENT_TAG`: the project's slug, a dot, the stack's name; at most 61 characters."""
        return f"{self.settings.project}.{self.settings.stack}"

    def name(self, purpose: str = "", *, limit: int) -> str:
        """The name of a resource: project, stack and purpose, within the limit of its kind.

        Args:
            purpose: that tells it from others of its kind.
            limit: characters that AWS takes; a longer name ends in a hash of the whole, so that two never meet.
        """
        return limited("-".join(filter(None, (self.settings.project, self.settings.stack, purpose))), limit)

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        """The ARN of a resource of this account; S3's have neither region nor account, IAM's no region."""
        parts = ("arn", self.partition.name, service, self.region if region else "", self.id if account else "")
        return ":".join((*parts, resource))

    def tags(self, component: str) -> dict[str, str]:
        """The tags of a resource beside those that the provider puts on all."""
        return {COMPONENT_TAG: component}

    def child(self, parent: pulumi.Resource, *, holds_data: bool = False, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource in this account that belongs to a component.

        Args:
            parent: the component.
            holds_data: what is lost with it can't be made again: in a protected environment the engine refuses to
                delete it.
            options: Pulumi's others.
        """
        protect = self.options.protect if holds_data else None
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, protect=protect, **options)


def connect(settings: Settings) -> Account:
    """The account that the settings name; with credentials of another one, the provider makes nothing."""
    import pulumi_aws as aws

    options = settings.aws
    assert options is not None  # noqa: S101 - as above
    tags = {ENVIRONMENT_TAG: f"{settings.project}.{settings.stack}", "seedbed:managed-by": "seedbed"}
    provider = aws.Provider(
        "aws", region=options.region, allowed_account_ids=[options.account], default_tags={"tags": tags}
    )
    return Account(provider=provider, settings=settings)


def document(*statements: dict[str, Any]) -> str:
    """The text of an IAM policy of these statements, always the same for the same ones."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
