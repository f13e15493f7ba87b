"""S3: the buckets for data and artifacts, and the one that their access logs go to."""

from __future__ import annotations

import pulumi

from mlops_platform.components.aws.account import Account
from mlops_platform.components.aws.bucket import Keeping, PrivateBucket, bucket_arn, log_prefix
from mlops_platform.components.object_store import ObjectStore

_DATA, _ARTIFACTS, _LOGS = "data", "artifacts", "logs"
# What DVC and the pipelines write is never overwritten, so that old versions are what somebody deleted.
_KEEPING = {
    _DATA: Keeping(old_version_days=90),
    _ARTIFACTS: Keeping(old_version_days=30),
    _LOGS: Keeping(old_version_days=1, days=90),
}


class Storage(ObjectStore):
    """The environment's buckets.

    Args:
        name: Pulumi name.
        account: where.
        key_arn: of the key that data and artifacts are encrypted with.
        opts: Pulumi options.

    Attributes:
        log_bucket: bucket of the access logs.
    """

    log_bucket: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:Storage", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.endpoint, self.region = "", account.region
        self.access_key = self.secret_key = pulumi.Output.from_input("")
        self.log_bucket = PrivateBucket(
            _LOGS,
            account=account,
            # With a key of ours S3 couldn't deliver:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
            encryption={"sse_algorithm": "AES256"},
            keeping=_KEEPING[_LOGS],
            statements=tuple(_log_delivery(account, purpose) for purpose in (_DATA, _ARTIFACTS)),
            opts=child,
        ).name
        self.data_bucket, self.artifact_bucket = (
            PrivateBucket(
                purpose,
                account=account,
                encryption={"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
                keeping=_KEEPING[purpose],
                log_bucket=self.log_bucket,
                opts=child,
            ).name
            for purpose in (_DATA, _ARTIFACTS)
        )
        self.register_outputs({"data_bucket": self.data_bucket, "artifact_bucket": self.artifact_bucket})

    @property
    def client_variables(self) -> dict[str, pulumi.Input[str]]:
        """The environment variables of a process that uses the store: no keys, for it has an identity."""
        return {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}


def _log_delivery(account: Account, purpose: str) -> dict[str, object]:
    return {
        "Sid": f"AccessLogsOf{purpose.title()}",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},  # in every part of AWS
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn(account, _LOGS)}/{log_prefix(purpose)}*",
        "Condition": {
            "ArnEquals": {"aws:SourceArn": bucket_arn(account, purpose)},
            "StringEquals": {"aws:SourceAccount": account.id},
        },
    }
