"""A line of an htpasswd file, made once for a password and kept in the state, encrypted."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from mlops_platform.resources.provider import Provider, expected

# A registry asks for the password with every request: the usual 12 would take four times as long each time. The
# passwords that we generate can't be guessed anyway.
_ROUNDS = 10


class HtpasswdProvider(Provider):
    """Hashes. The salt is random, so that the line has to be kept: made anew, it would be another one."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Hash the password."""
        import bcrypt

        digest = bcrypt.hashpw(props["password"].encode(), bcrypt.gensalt(_ROUNDS)).decode()
        return CreateResult("htpasswd", {**props, "line": f"{props['username']}:{digest}\n"})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether it is for another name or password."""
        wanted = expected(olds, news)
        return DiffResult(changes=any(olds[key] != wanted[key] for key in ("username", "password")))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Hash the new one."""
        return UpdateResult(self.create(news).outs)


class Htpasswd(Resource, module="mlops", name="Htpasswd"):
    """What a server has to know of one account.

    Args:
        name: Pulumi name.
        username: of the account.
        password: of the account.
        opts: Pulumi options.

    Attributes:
        line: name and bcrypt hash; a secret.
    """

    line: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        username: str,
        password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["line", "password"])
        inputs = {"username": username, "password": pulumi.Output.secret(password), "line": None}
        super().__init__(HtpasswdProvider(), name, inputs, pulumi.ResourceOptions.merge(opts, secret))
