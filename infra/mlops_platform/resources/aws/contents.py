"""What others put into something of an environment's on AWS, as a resource whose deletion takes it out again.

A bucket's or a repository's own resource refuses to go while it is full. The resource of its contents is declared after
it, and before all that writes to it, so that on the way down the writers go first, then the contents, then the
container itself: by `seedbed down` and by plain `pulumi destroy` alike.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from mlops_platform.errors import PlatformError
from mlops_platform.resources.aws import connection
from mlops_platform.resources.provider import Provider, expected

_PLACE = ("container", "account", "region")


class ContentsProvider(Provider):
    """Nothing is made; what others have put there is deleted in the end.

    Attributes:
        noun: what the container is.
        service: botocore's name of the service that has it.
    """

    noun: str
    service: str

    @abstractmethod
    def tags(self, client: Any, props: dict[str, Any]) -> dict[str, str] | None:
        """The container's tags; None if there is no such container."""

    @abstractmethod
    def is_full(self, client: Any, props: dict[str, Any]) -> bool:
        """Whether anything is in it."""

    @abstractmethod
    def empty(self, client: Any, props: dict[str, Any]) -> None:
        """Delete all that is in it.

        Raises:
            PlatformError: something can't be deleted; the first are named with the reason.
        """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep whose it is."""
        return CreateResult(props["container"], dict(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether anything has changed.

        Raises:
            PlatformError: a full container is to be exchanged, also in a preview; or AWS doesn't say what it holds.
        """
        wanted = expected(olds, news)
        moved = [key for key in _PLACE if olds[key] != wanted[key]]
        if moved and self._holds_anything(olds):
            raise PlatformError(
                f"{self._called(olds)} isn't empty, and would be deleted since it is to be another one",
                "Set back what changed (the project's name, the account or the region), or save what you need of it,"
                " take the environment down, and up again.",
            )
        return DiffResult(changes=any(olds.get(key) != value for key, value in wanted.items()), replaces=moved)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep what has changed."""
        return UpdateResult(dict(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Empty the container; without one there is nothing to do.

        Raises:
            PlatformError: it isn't this environment's, or these are credentials of another account: then nothing was
                deleted; or some of its contents can't be deleted.
        """
        called = self._called(props)
        connection.require_account(props)
        with connection.explained(f"empty {called}"):
            client = connection.client(self.service, props)
            tags = self.tags(client, props)
            if tags is not None:
                _require_own(called, tags, props)
                self.empty(client, props)

    def _holds_anything(self, props: dict[str, Any]) -> bool:
        connection.require_account(props)
        with connection.explained(f"find out whether {self._called(props)} is empty"):
            client = connection.client(self.service, props)
            return self.tags(client, props) is not None and self.is_full(client, props)

    def _called(self, props: dict[str, Any]) -> str:
        return f"{self.noun} {props['container']}"


class Contents(Resource):
    """The contents of a container.

    Args:
        provider: that empties it.
        name: Pulumi name.
        container: its name on AWS.
        account: number of the account that it is in.
        region: that it is in.
        environment: value of the tag that it must carry.
        opts: Pulumi options.

    Attributes:
        container: its name, for all that writes there: they go before the contents do.
    """

    container: pulumi.Output[str]

    def __init__(
        self,
        provider: ResourceProvider,
        name: str,
        *,
        container: pulumi.Input[str],
        account: str,
        region: str,
        environment: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "container": container,
            "account": account,
            "region": region,
            "environment": environment,
        }
        super().__init__(provider, name, inputs, opts)


def _require_own(called: str, tags: dict[str, str], props: dict[str, Any]) -> None:
    found = tags.get(connection.ENVIRONMENT_TAG)
    if found != props["environment"]:
        has = f"is tagged as {found}'s" if found else "carries no environment's tag"
        raise PlatformError(
            f"{called} {has}, and this environment is {props['environment']}: nothing in it was deleted",
            f"If it is this environment's, `up` puts the tag {connection.ENVIRONMENT_TAG} back. If it isn't, have it"
            " forgotten: pulumi state delete.",
        )
