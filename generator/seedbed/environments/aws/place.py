"""An environment on AWS, as the verbs see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from seedbed.environments.aws import account as accounts
from seedbed.environments.aws import declared, eks, leftovers, nodes, preflight, prices, sharing
from seedbed.environments.aws.account import Account
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.eks import OnEks
from seedbed.environments.aws.errors import code_of, translated
from seedbed.environments.aws.preflight import Plan
from seedbed.environments.aws.scope import Scope
from seedbed.environments.cluster.finding import Finding, refuse_errors
from seedbed.environments.cluster.workloads import Workload
from seedbed.environments.inventory import Inventory
from seedbed.environments.places import Running
from seedbed.environments.project import Project
from seedbed.environments.stack_config import environment_of
from seedbed.errors import InfrastructureError
from seedbed.spec import Environment

# What AWS still lists for a moment, and what its own controllers are still taking down.
_SETTLING_SECONDS = 180.0
_HOSTS = {"github.com": "token.actions.githubusercontent.com", "gitlab.com": "gitlab.com"}
_CLUSTER = "aws:eks/cluster:Cluster"
_PROVIDER = "pulumi:providers:aws"


@dataclass(frozen=True)
class OnAws:
    """An environment in an account of AWS.

    Attributes:
        project: whose it is.
        name: the environment's.
        recorded: the resources in its state, providers included; empty when it isn't up.
        settling_seconds: how long what was destroyed may take to be gone.
    """

    project: Project
    name: str
    recorded: list[dict[str, Any]]
    settling_seconds: float = _SETTLING_SECONDS

    def prepare(self, say: Callable[[str], None], *, skip_checks: bool) -> list[str]:
        """Check credentials and account, and obtain Kubeflow's manifests where the environment installs it.

        The account is checked in any case: the engine refuses another one too, but later.

        Raises:
            SeedbedError: the account can't be reached, or can't take the environment.
        """
        environment = self._environment
        say(f"Checking account {environment.account}, {environment.region}")
        account, where = self._account(), f"Account {environment.account}"
        # In another region, or one that isn't there, nothing can go on in spite of it.
        refuse_errors([*self._moved(), *preflight.region(account)], where, self.name, skippable=False)
        scope = self._scope_in(account)
        found = preflight.look(self._plan(scope))
        if not skip_checks:
            refuse_errors(found, where, self.name)
        if environment.variant == "platform":
            self._on_cluster(scope.account).bring_manifests(say)
        if _CLUSTER in {resource["type"] for resource in self.recorded}:
            self._on_cluster(scope.account).record_release(say)
        return [str(finding) for finding in found]

    def reach(self) -> None:
        """Make sure that the credentials work, and are of the environment's account.

        Raises:
            SeedbedError: they don't.
        """
        self._account()

    def look(self) -> Running:
        """The recorded cluster, buckets and repositories, as AWS has them, and what runs on the cluster."""
        account = self._account()
        parts = list(self._parts(account))
        found = [part.as_dict() for part in parts]
        if any(part.kind == "Cluster" and part.healthy for part in parts):
            found += self._on_cluster(account).look().workloads
        return Running(workloads=found)

    def on_cluster(self) -> OnEks:
        """What of the environment is on its cluster.

        Raises:
            SeedbedError: the credentials don't work, or are of another account.
        """
        return self._on_cluster(self._account())

    def leftovers(self) -> Inventory:
        """Everything with its tag or its names, and what its cluster made."""
        return leftovers.settled(self._scope(), self.settling_seconds)

    def hand_over(self) -> dict[str, str]:
        """The account's identity provider for CI, if roles of others trust it too; it loses the environment's tag.

        Raises:
            SeedbedError: it can't be found out who trusts it, or the tag not be taken off.
        """
        return dict(sharing.hand_over(self._account(), self.recorded))

    def unprotect(self) -> None:
        """Let EKS delete the cluster.

        Raises:
            SeedbedError: AWS refuses, or doesn't answer.
        """
        if _CLUSTER in {resource["type"] for resource in self.recorded}:
            eks.unprotect(self._account(), leftovers.cluster_name(self.project.spec.slug, self.name))

    def blockers(self) -> list[str]:
        """What AWS is still deleting, and what keeps its network."""
        return leftovers.blockers(self._scope())

    @property
    def _environment(self) -> Environment:
        return environment_of(self.project.spec, self.name)

    def _where(self) -> tuple[str, str]:
        """Account and region that it was made in; before that, those that the spec names."""
        environment = self._environment
        inputs: dict[str, Any] = next((r.get("inputs", {}) for r in self.recorded if r["type"] == _PROVIDER), {})
        # The engine keeps a provider's lists as text.
        number = re.search(r"\b[0-9]{12}\b", str(inputs.get("allowedAccountIds", "")))
        return number[0] if number else environment.account, str(inputs.get("region") or environment.region)

    def _moved(self) -> Iterator[Finding]:
        """The spec names another account or region: the engine would delete everything, data included, to move it."""
        there, wanted = self._where(), (self._environment.account, self._environment.region)
        if there != wanted:
            yield Finding(
                "error",
                f"The environment is in account {there[0]}, {there[1]}, and the spec says {wanted[0]}, {wanted[1]} now",
                f"Set them back. To move it: `seedbed down {self.name}`, then `up` with the new ones",
            )

    def _account(self) -> Account:
        return accounts.connect(*self._where())

    def _on_cluster(self, account: Account) -> OnEks:
        name = leftovers.cluster_name(self.project.spec.slug, self.name)
        return OnEks(self.project, self.name, self.recorded, account=account, cluster=name)

    def _scope(self) -> Scope:
        return self._scope_in(self._account())

    def _scope_in(self, account: Account) -> Scope:
        """Whose things are looked for. Without a cluster nobody needs the right to look at any."""
        has_cluster = self._environment.variant == "platform" or _CLUSTER in {r["type"] for r in self.recorded}
        return leftovers.scope_of(account, self.project.spec.slug, self.name, has_cluster=has_cluster)

    def _plan(self, scope: Scope) -> Plan:
        environment = self._environment
        recorded = preflight.recorded_types(self.recorded)
        existing = environment.oidc_provider == "existing"
        host = _HOSTS.get(self.project.spec.project.repository.partition("/")[0], "") if existing else ""
        wanted = declared.ask(self.project, self.name)
        return Plan(
            scope,
            wanted,
            recorded,
            leaving=preflight.leaving(self.recorded, wanted),
            identity_provider=host,
            cpus=0 if recorded[_CLUSTER] else self._cpus(wanted),
        )

    def _cpus(self, wanted: list[Declared]) -> int:
        """Virtual CPUs of the nodes that a new cluster will start for the environment's own pods."""
        if self._environment.variant != "platform":
            return 0
        chosen = nodes.cheapest(prices.table().machines, nodes.workloads_of(self.project, self.name, wanted))
        return chosen.count * chosen.machine.cpu if chosen else 0

    def _parts(self, account: Account) -> Iterator[Workload]:
        from botocore.exceptions import ClientError

        for resource in self.recorded:
            if (of := _LOOKS.get(resource["type"])) is None or not (name := str(resource.get("id", ""))):
                continue
            kind, ask = of
            try:
                with translated(f"look at {kind} {name}"):
                    state = ask(account, name)
            except InfrastructureError as error:
                if not isinstance(error.__cause__, ClientError) or code_of(error.__cause__) not in _ABSENT:
                    raise
                state = "is gone"
            healthy = state == ""
            yield Workload(kind, account.region, name, int(healthy), 1, healthy, state)


_ABSENT = frozenset({"404", "NoSuchBucket", "RepositoryNotFoundException", "ResourceNotFoundException"})


def _bucket(account: Account, name: str) -> str:
    account.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account.number)
    return ""


def _repository(account: Account, name: str) -> str:
    account.client("ecr").describe_repositories(repositoryNames=[name])
    return ""


def _cluster(account: Account, name: str) -> str:
    cluster = account.client("eks").describe_cluster(name=name)["cluster"]
    problems = [issue["message"] for issue in (cluster.get("health") or {}).get("issues", ())]
    state = "" if cluster["status"] in {"ACTIVE", "UPDATING"} else f"is {cluster['status']}"
    return "; ".join(filter(None, [state, *problems]))


# Pulumi's type → what `status` calls it, and what says how it is: nothing when it is well.
_LOOKS: dict[str, tuple[str, Callable[[Account, str], str]]] = {
    "aws:s3/bucket:Bucket": ("Bucket", _bucket),
    "aws:ecr/repository:Repository": ("Repository", _repository),
    _CLUSTER: ("Cluster", _cluster),
}
