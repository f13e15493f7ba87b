"""An S3 store that somebody else runs: AWS, or anything with its API."""

from __future__ import annotations

import os

import pulumi

from mlops_platform.components.object_store import ObjectStore
from mlops_platform.errors import PlatformError
from mlops_platform.resources.external_bucket import ExternalBucket
from mlops_platform.resources.identity import Identity
from mlops_platform.resources.s3 import NETWORK_VARIABLES

ACCESS_KEY_VARIABLE, SECRET_KEY_VARIABLE = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
_SESSION_VARIABLE = "AWS_SESSION_TOKEN"


class ExternalStore(ObjectStore):
    """Two buckets in a store that exists already.

    Args:
        name: Pulumi name.
        home: folder of the environment.
        endpoint: URL of the store; empty for AWS.
        region: with which requests are signed, and where buckets are made.
        keys: as `read_keys` gives them.
        data_bucket: an existing bucket for data, which stays; empty makes one.
        artifact_bucket: an existing bucket for artifacts, which stays; empty makes one.
        default_names: names of the data and the artifact bucket where they are made.
        opts: Pulumi options.

    """

    def __init__(
        self,
        name: str,
        *,
        home: pulumi.Input[str],
        endpoint: str,
        region: str,
        keys: tuple[str, str],
        data_bucket: str,
        artifact_bucket: str,
        default_names: tuple[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:local:ExternalStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.endpoint = endpoint
        self.region = region
        self.access_key, self.secret_key = (pulumi.Output.secret(key) for key in keys)
        identity = Identity("store-identity", opts=child)
        # No bucket before there is the home: it is what refuses to exchange the store of a living environment.
        owner = pulumi.Output.all(home, identity.value).apply(lambda values: str(values[1]))
        self.data_bucket, self.artifact_bucket = (
            ExternalBucket(
                purpose,
                bucket=given or default,
                existing=bool(given),
                endpoint=endpoint,
                region=region,
                access_key=self.access_key,
                secret_key=self.secret_key,
                owner=owner,
                opts=child,
            ).bucket
            for purpose, given, default in zip(
                ("data", "artifacts"), (data_bucket, artifact_bucket), default_names, strict=True
            )
        )
        self.register_outputs(
            {"endpoint": self.endpoint, "data_bucket": self.data_bucket, "artifact_bucket": self.artifact_bucket}
        )

    @property
    def client_variables(self) -> dict[str, pulumi.Input[str]]:
        """The environment variables with which a process of the environment reaches the store."""
        network = {key: value for key in NETWORK_VARIABLES if (value := os.environ.get(key))}
        address = {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}
        return {**super().client_variables, **network, **address}


def read_keys() -> tuple[str, str]:
    """Key id and secret out of the environment variables that AWS's own tools read.

    Raises:
        PlatformError: there are none, or they are short-lived ones.
    """
    access_key, secret_key = os.environ.get(ACCESS_KEY_VARIABLE), os.environ.get(SECRET_KEY_VARIABLE)
    if not access_key or not secret_key:
        raise PlatformError(
            f"The environment's store is s3, and {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} are not both set",
            "Export the keys of an account that may use its buckets, and run the command again. They are kept in the"
            " state, encrypted, and nowhere else.",
        )
    if os.environ.get(_SESSION_VARIABLE):
        raise PlatformError(
            f"{_SESSION_VARIABLE} is set: these keys end within hours, and the environment's processes with them",
            f"Use keys of an account of the environment's own, limited to its buckets, and unset {_SESSION_VARIABLE}.",
        )
    return access_key, secret_key
