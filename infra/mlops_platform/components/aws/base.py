"""What every variant of an environment on AWS is made of: its key, its buckets, its images, and who its CI is."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from mlops_platform.components.aws import eks
from mlops_platform.components.aws.account import Account
from mlops_platform.components.aws.budget import Budget, budget_name
from mlops_platform.components.aws.ci import CiIdentity
from mlops_platform.components.aws.images import Images
from mlops_platform.components.aws.key import Key
from mlops_platform.components.aws.storage import Storage


@dataclass(frozen=True)
class Base:
    """What has been declared.

    Attributes:
        key_arn: of the key that everything is encrypted with.
        storage: the buckets; None: the variant has none.
        images: the repositories; None: the variant has none.
        ci: who CI is; None: the settings name no repository of code.
    """

    key_arn: pulumi.Output[str]
    storage: Storage | None
    images: Images | None
    ci: CiIdentity | None


def declare(account: Account) -> Base:
    """Declare what the variant of the account's environment has of it."""
    options = account.options
    key_arn = Key("key", account=account).arn
    storage = images = ci = None
    if options.variant != "registry":
        storage = Storage("object-store", account=account, key_arn=key_arn)
    if options.variant != "storage":
        images = Images("container-registry", account=account, key_arn=key_arn)
    if options.budget:
        Budget("budget", account=account)
    if options.repository:
        ci = CiIdentity(
            "ci",
            account=account,
            key=key_arn,
            data_bucket=storage.data_bucket if storage else "",
            artifact_bucket=storage.artifact_bucket if storage else "",
            log_bucket=storage.log_bucket if storage else "",
            repositories=images.repositories if images else (),
            cluster=eks.cluster_name(account) if options.variant == "platform" else "",
            budget=budget_name(account) if options.budget else "",
        )
    return Base(key_arn, storage, images, ci)
