"""Which jobs of the project's CI may take on which role: trust policies, with the exact subject of a job's token.

A job on GitHub that names an environment has a token that says so, and no branch: its subject ends in
"environment:NAME". Since January 2026 AWS reads further claims of GitHub's tokens, the branch and the repository's
number among them: https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
A token of GitLab says project and branch, whatever the job's environment is.
"""

from __future__ import annotations

from typing import Any

from mlops_platform.components.aws.account import Account
from mlops_platform.settings.aws import GITHUB, GITLAB, NO_IDS, AwsSettings

# The issuer of each host's tokens, which is also the name of the account's provider for it.
ISSUERS = {GITHUB: "token.actions.githubusercontent.com", GITLAB: "gitlab.com"}
# What the generated jobs ask their tokens for.
AUDIENCE = "sts.amazonaws.com"
CI, PREVIEW, APPLY = "ci", "ci-preview", "ci-apply"
# The GitHub environments that the generated jobs name, by the role that these take on.
ENVIRONMENTS = {
    CI: ("registry", "service", "training"),
    PREVIEW: ("data", "infrastructure-preview"),
    APPLY: ("infrastructure",),
}
# What a pull request starts runs on no branch.
_ON_THE_BRANCH = frozenset({CI, APPLY})
# Parts of AWS whose token service reads further claims.
_READS_CLAIMS = frozenset({"aws"})


def issuer(options: AwsSettings) -> str:
    """The issuer of the tokens of the repository's CI."""
    return ISSUERS[options.repository.partition("/")[0]]


def provider_arn(account: Account) -> str:
    """ARN of the account's identity provider for that issuer; an account has one at most."""
    return account.arn("iam", f"oidc-provider/{issuer(account.options)}", region=False)


def roles(options: AwsSettings) -> tuple[str, ...]:
    """The roles that the repository's CI has.

    None for merge requests on GitLab: their tokens name the branch that somebody made for them, so that no exact
    subject would let them in.
    """
    return (CI, PREVIEW, APPLY) if options.repository.startswith(f"{GITHUB}/") else (CI, APPLY)


def subjects(role: str, options: AwsSettings) -> list[str]:
    """The subjects of the tokens of those jobs that may take on a role.

    Args:
        role: of `roles`.
        options: with the repository and its branch.
    """
    host, _, path = options.repository.partition("/")
    if host == GITLAB:
        return [f"project_path:{path}:ref_type:branch:ref:{options.branch}"]
    repository = path
    if options.repository_ids != NO_IDS:
        names, numbers = path.split("/"), options.repository_ids.split("/")
        repository = "/".join(f"{name}@{number}" for name, number in zip(names, numbers, strict=True))
    return [f"repo:{repository}:environment:{name}" for name in ENVIRONMENTS[role]]


def trust(role: str, account: Account) -> dict[str, Any]:
    """The statement that lets these jobs take on a role.

    Args:
        role: of `roles`.
        account: with the settings that name the repository.
    """
    options = account.options
    claims: dict[str, str | list[str]] = {"aud": AUDIENCE, "sub": subjects(role, options)}
    if options.repository.startswith(f"{GITHUB}/") and account.partition.name in _READS_CLAIMS:
        if role in _ON_THE_BRANCH:
            claims["ref"] = f"refs/heads/{options.branch}"
        if options.repository_ids != NO_IDS:
            claims["repository_id"] = options.repository_ids.split("/")[1]
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(account)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer(options)}:{claim}": value for claim, value in claims.items()}},
    }
