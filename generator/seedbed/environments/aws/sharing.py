"""What an environment made and others of the account have come to use: it stays when the environment goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seedbed.environments.aws.account import Account
from seedbed.environments.aws.errors import translated
from seedbed.environments.aws.scope import ENVIRONMENT_TAG, existing, pages

_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
_ROLE = "aws:iam/role:Role"
_SHOWN = 3


def hand_over(account: Account, recorded: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Take the environment's tag off an identity provider that roles of others trust; gives its URN and why it stays.

    An account can have one provider for an issuer only, so the first environment's serves all that come later.

    Args:
        account: that it is in.
        recorded: the resources in the environment's state.

    Raises:
        AwsError: AWS refuses, or doesn't answer.
    """
    made = {resource["id"]: resource["urn"] for resource in recorded if resource["type"] == _PROVIDER}
    if not made:
        return
    own = {str(resource.get("id", "")) for resource in recorded if resource["type"] == _ROLE}
    client = account.client("iam")
    with translated("find out who else uses the account's identity provider for CI"):
        roles = {role["RoleName"]: role["AssumeRolePolicyDocument"] for role in pages(client, "list_roles", "Roles")}
    for arn, urn in made.items():
        others = sorted(name for name, document in roles.items() if name not in own and _trusts(document, arn))
        if not others:
            continue
        with translated(f"take the environment's tag off {arn}"):
            existing(
                client.untag_open_id_connect_provider,
                "NoSuchEntity",
                OpenIDConnectProviderArn=arn,
                TagKeys=[ENVIRONMENT_TAG],
            )
        shown = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        yield urn, f"The identity provider {arn.rpartition('/')[2]} stays, for {shown} of the account use it too"


def _trusts(document: dict[str, Any], provider: str) -> bool:
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal")
        federated = principal.get("Federated", ()) if isinstance(principal, dict) else ()
        if provider in ([federated] if isinstance(federated, str) else federated):
            return True
    return False
