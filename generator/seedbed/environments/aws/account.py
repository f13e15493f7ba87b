"""An account of AWS by the person's own credentials: bounded in time, and never another account than the one meant."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from seedbed.environments.aws.errors import WrongAccountError, translated

if TYPE_CHECKING:
    import boto3

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
ATTEMPTS = 3
CONNECTIONS = 16
# Where each part of AWS answers for what belongs to no region, by botocore's table of endpoints.
_HOME_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1",
    "aws-iso-e": "eu-isoe-west-1",
    "aws-iso-f": "us-isof-south-1",
    "aws-eusc": "eusc-de-east-1",
}


class Clients:
    """boto3's clients from its default chain of credentials; one of each, and safe to use from several threads.

    Args:
        region: that they talk to, unless told otherwise.
        profile: of the person's AWS configuration; empty: the default chain.
    """

    def __init__(self, region: str, profile: str = "") -> None:
        self.region = region
        self._profile = profile
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._made: dict[tuple[str, str], Any] = {}

    def __call__(self, service: str, region: str = "", **options: Any) -> Any:
        """The client of a service, in this region or another one.

        Args:
            service: boto3's name of it.
            region: another region than the usual one.
            options: of `boto3.Session.client`; only those of the first call count.
        """
        from botocore.config import Config

        key = (service, region or self.region)
        with self._lock:
            if key not in self._made:
                settings = Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "max_attempts": ATTEMPTS},
                    max_pool_connections=CONNECTIONS,
                )
                config = settings.merge(options.pop("config", Config()))
                with translated(f"use {service}"):
                    make: Any = self._boto().client
                    self._made[key] = make(service, region_name=key[1] or None, config=config, **options)
            return self._made[key]

    @property
    def partition(self) -> str:
        """The part of AWS that the region belongs to, as ARNs have it."""
        with self._lock:
            found: str = self._boto().get_partition_for_region(self.region)
        return found

    @property
    def home_region(self) -> str:
        """The region that answers for what belongs to none, and to which every account has access."""
        return _HOME_REGIONS[self.partition]

    def _boto(self) -> boto3.Session:
        if self._session is None:
            import boto3

            with translated("find your credentials"):
                self._session = boto3.Session(profile_name=self._profile or None)
        return self._session


class Account:
    """An account that the credentials are known to be of.

    Attributes:
        number: of the account.
        region: that its environment is in.
        caller: ARN of who is asking.
        client: gives the client of a service, and perhaps another region.
    """

    def __init__(self, number: str, clients: Clients, caller: str) -> None:
        self.number = number
        self.region = clients.region
        self.partition = clients.partition
        self.home_region = clients.home_region
        self.caller = caller
        self.client = clients

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """The ARN of something in this account."""
        return f"arn:{self.partition}:{service}:{self.region if region else ''}:{self.number}:{resource}"


def connect(number: str, region: str) -> Account:
    """Ask AWS whose credentials these are, and go on only if they are of this account.

    Args:
        number: of the account that the environment is in.
        region: that it is in.

    Raises:
        WrongAccountError: they are of another account.
        AwsError: there are none, or AWS doesn't take them or doesn't answer.
    """
    clients = Clients(region)
    with translated("tell whose credentials these are"):
        # Not in the environment's own region, which may not be enabled: then it is that which must be said.
        identity = clients("sts", clients.home_region).get_caller_identity()
    if identity["Account"] != number:
        raise WrongAccountError(
            f"Your credentials are of account {identity['Account']}, and the environment is in account {number};"
            " nothing was changed",
            hint="Use the other account's credentials (AWS_PROFILE), or correct `account` in seedbed.toml.",
            details={"account": identity["Account"], "wanted": number},
        )
    return Account(number, clients, identity["Arn"])
