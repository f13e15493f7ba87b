"""The identities that the project's CI takes on in the account, without a key that anybody would have to keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws import ci_trust as trust
from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.apply_policies import apply_rights, parts
from mlops_platform.components.aws.policies import Scope, Statement, ci_rights, preview_rights
from mlops_platform.settings.aws import OIDC_PROVIDERS

COMPONENT = "ci"
_ROLE_LIMIT, _POLICY_LIMIT = 64, 128
_HOUR = 3600
_DESCRIPTIONS = {
    trust.CI: "CI on the branch: trains, pushes images",
    trust.PREVIEW: "CI of a pull request: reads the data and the state of the infrastructure",
    trust.APPLY: "CI after its approval: changes the infrastructure",
}
# As long as the job that applies may run; a control plane's new version takes most of an hour.
_SECONDS = {trust.CI: _HOUR, trust.PREVIEW: _HOUR, trust.APPLY: 2 * _HOUR}


class CiIdentity(pulumi.ComponentResource):
    """Three roles, which the tokens of GitHub's or GitLab's jobs open: for the branch, for pull requests, and to apply.

    Args:
        name: Pulumi name.
        account: whose settings name the repository and its branch.
        key: ARN of the key that everything is encrypted with.
        data_bucket: name; empty where the variant has no buckets.
        artifact_bucket: name.
        log_bucket: name of the bucket of their access logs.
        repositories: names of the repositories of images.
        cluster: name; empty where there is none.
        budget: name of the budget; empty where there is none.
        opts: Pulumi options.

    Attributes:
        ci_role: ARN of the role of the jobs on the branch.
        preview_role: ARN of the role of a pull request's jobs; empty on GitLab, whose tokens can't be told apart.
        apply_role: ARN of the role of the job that changes the infrastructure.
    """

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        key: pulumi.Input[str],
        data_bucket: pulumi.Input[str] = "",
        artifact_bucket: pulumi.Input[str] = "",
        log_bucket: pulumi.Input[str] = "",
        repositories: Sequence[pulumi.Input[str]] = (),
        cluster: str = "",
        budget: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:CiIdentity", name, None, opts)
        self._account = account
        fixed = Scope(account=account, program=pulumi.get_project(), cluster=cluster, budget=budget)
        made = {"data_bucket": data_bucket, "artifact_bucket": artifact_bucket, "log_bucket": log_bucket}
        self._scope = pulumi.Output.all(repositories=list(repositories), key=key, **made).apply(
            lambda made: replace(fixed, **{**made, "repositories": tuple(made["repositories"])})
        )
        provider = self._identity_provider()
        roles = {role: self._role(role, provider) for role in trust.roles(account.options)}
        self._allow(trust.CI, roles[trust.CI], ci_rights)
        if preview := roles.get(trust.PREVIEW):
            self._allow(trust.PREVIEW, preview, preview_rights)
        self._allow_changes(roles[trust.APPLY], parts(fixed))
        self.ci_role = roles[trust.CI].arn
        self.preview_role = preview.arn if preview else pulumi.Output.from_input("")
        self.apply_role = roles[trust.APPLY].arn
        outputs = {"ci_role": self.ci_role, "preview_role": self.preview_role, "apply_role": self.apply_role}
        self.register_outputs(outputs)

    def _identity_provider(self) -> aws.iam.OpenIdConnectProvider | None:
        """The account's provider for the tokens' issuer; None where it has one that others use too."""
        if self._account.options.oidc_provider != OIDC_PROVIDERS[0]:
            return None
        issuer = trust.issuer(self._account.options)
        return aws.iam.OpenIdConnectProvider(
            "ci",
            url=f"https://{issuer}",
            client_id_lists=[trust.AUDIENCE],
            tags=self._account.tags(COMPONENT),
            opts=self._account.child(self),
        )

    def _role(self, role: str, provider: aws.iam.OpenIdConnectProvider | None) -> aws.iam.Role:
        return aws.iam.Role(
            role,
            name=self._account.name(role, limit=_ROLE_LIMIT),
            description=_DESCRIPTIONS[role],
            assume_role_policy=document(trust.trust(role, self._account)),
            max_session_duration=_SECONDS[role],
            tags=self._account.tags(COMPONENT),
            opts=self._account.child(self, depends_on=[provider] if provider else []),
        )

    def _allow(self, name: str, role: aws.iam.Role, rights: Callable[[Scope], list[Statement]]) -> None:
        aws.iam.RolePolicy(
            name,
            name=name,
            role=role.name,
            policy=self._scope.apply(lambda scope: document(*rights(scope))),
            opts=self._account.child(self),
        )

    def _allow_changes(self, role: aws.iam.Role, names: Sequence[str]) -> None:
        """Policies of their own, since all of them together are longer than one may be."""
        for part in names:
            name = f"{trust.APPLY}-{part}"
            policy = aws.iam.Policy(
                name,
                name=self._account.name(name, limit=_POLICY_LIMIT),
                description=f"{_DESCRIPTIONS[trust.APPLY]}: {part}",
                policy=self._part(part),
                tags=self._account.tags(COMPONENT),
                opts=self._account.child(self),
            )
            aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=policy.arn, opts=self._account.child(self))

    def _part(self, part: str) -> pulumi.Output[str]:
        return self._scope.apply(lambda scope: document(*apply_rights(scope)[part]))
