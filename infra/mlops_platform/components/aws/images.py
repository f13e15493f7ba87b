"""ECR: a repository for each image that the project's CI pushes."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws.account import Account
from mlops_platform.names import limited
from mlops_platform.resources.aws.repository_contents import RepositoryContents

_COMPONENT = "images"
_PATH_LIMIT = 100  # of the 256 characters of a name
# What CI pushes again and again: the newest image, and the layers that the next build begins with.
_MOVING_TAGS = ("latest", "cache")
_UNTAGGED_DAYS = 14


class Images(pulumi.ComponentResource):
    """The repositories.

    An image that runs has a tag that never moves, that of its build, and nothing with a tag is ever deleted by a rule:
    ECR doesn't know what runs, and a scheduled run or a rollback may name any. What goes is what lost its last tag,
    such as former layers of the cache. ECR keeps the parts of an image for several platforms as long as the image.

    Args:
        name: Pulumi name.
        account: where. Its settings say which images the project has.
        key_arn: of the key that images are encrypted with.
        opts: Pulumi options.

    Attributes:
        address: host and path that images are pushed under; the path is the environment's own.
        repositories: their names, for all that pushes there: they go before the repositories are emptied.
    """

    address: str
    repositories: list[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:Images", name, None, opts)
        path = _path(account)
        self.address = f"{account.id}.dkr.ecr.{account.region}.{account.partition.suffix}/{path}"
        wanted = ("pipeline", *(("serving",) if account.settings.serving else ()))
        # The generated CI names images by the registry, the project and the target of the Dockerfile.
        self.repositories = [
            self._repository(target, f"{path}/{account.settings.project}/{target}", account, key_arn)
            for target in wanted
        ]
        self.register_outputs({"address": self.address})

    def _repository(self, target: str, name: str, account: Account, key_arn: pulumi.Input[str]) -> pulumi.Output[str]:
        """Declare one; its name, once images may be pushed."""
        repository = aws.ecr.Repository(
            target,
            name=name,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[{"filter": tag, "filter_type": "WILDCARD"} for tag in _MOVING_TAGS],
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
            # `RepositoryContents` has emptied it by then; this is for what somebody pushed since.
            force_delete=True,
            tags=account.tags(_COMPONENT),
            opts=account.child(self, holds_data=True),
        )
        contents = RepositoryContents(
            target,
            container=repository.name,
            account=account.id,
            region=account.region,
            environment=account.environment,
            opts=pulumi.ResourceOptions(parent=self, protect=account.options.protect),
        )
        policy = aws.ecr.LifecyclePolicy(
            target,
            repository=contents.container,
            policy=json.dumps({"rules": [_untagged()]}, sort_keys=True),
            opts=account.child(self, deleted_with=repository),
        )
        return policy.repository


def _path(account: Account) -> str:
    """What names of the environment's repositories begin with, within ECR's rules."""
    whole = f"{account.settings.project}-{account.settings.stack}".lower()
    return limited(re.sub(r"[^a-z0-9]+", "-", whole).strip("-"), _PATH_LIMIT)


def _untagged() -> dict[str, Any]:
    return {
        "rulePriority": 1,
        "description": "What lost its last tag",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": _UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
