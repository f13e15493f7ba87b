"""What every object store has to offer, wherever it runs."""

from __future__ import annotations

import pulumi


class ObjectStore(pulumi.ComponentResource):
    """An S3 API with the project's two buckets.

    Attributes:
        endpoint: URL of the API; empty for AWS itself.
        region: with which requests are signed.
        access_key: key id.
        secret_key: the key's secret.
        data_bucket: bucket for data.
        artifact_bucket: bucket for artifacts.
    """

    endpoint: pulumi.Input[str]
    region: str
    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]
    data_bucket: pulumi.Output[str]
    artifact_bucket: pulumi.Output[str]

    @property
    def client_variables(self) -> dict[str, pulumi.Input[str]]:
        """The environment variables with which a process of the environment reaches the store."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }
