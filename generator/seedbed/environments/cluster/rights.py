"""Whether an account may do what `up` does: make the objects, and pass rights on to the environment's own accounts.

An account can put into a role only what it may do itself, unless it has the verb `escalate` on roles; and it can give a
role to somebody only if it may do all that the role says, or has `bind`
(https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.demand import Demand, Right
from seedbed.environments.cluster.finding import Finding
from seedbed.environments.cluster.kinds import WORKERS

_VERBS = ("create", "patch", "delete")
_EVERYTHING = Right("*", "*", namespaced=False)
_RBAC = "rbac.authorization.k8s.io"
_ROLES, _CLUSTER_ROLES = Right(_RBAC, "roles", namespaced=True), Right(_RBAC, "clusterroles", namespaced=False)
# What makes up for rights that one doesn't have oneself: the first for a role, the second for its binding.
_PASS_ON = ("escalate", "bind")


@dataclass(frozen=True)
class _Question:
    right: Right
    verb: str
    namespace: str = ""
    name: str = ""


def check(api: Api, demand: Demand) -> Iterator[Finding]:
    """What the account of this connection lacks, as errors; one that may do everything is asked nothing more.

    Raises:
        NotAllowedError: it may not even ask.
    """
    if _may(api, _Question(_EVERYTHING, "*")):
        return
    yield from _makes(api, demand)
    yield from _passes_on(api, demand)
    yield from _passes_on_kubeflows(api, demand)


def _makes(api: Api, demand: Demand) -> Iterator[Finding]:
    """The rights to make the objects themselves."""
    # The namespaces need not exist yet: a right in one of them is then asked for by its future name.
    namespace = demand.namespaces[0]
    asked = [
        _Question(right, verb, namespace if right.namespaced else "") for right in demand.rights for verb in _VERBS
    ]
    refused = _refused(api, asked)
    for namespaced, where in ((False, "on the cluster itself"), (True, f"in namespace {namespace}")):
        if lacking := [question for question in refused if question.right.namespaced is namespaced]:
            without = demand.kubeflow_namespace and not namespaced
            less = '; pipelines = "none" needs fewer' if without else ""
            yield Finding(
                "error",
                f"Your account lacks rights {where}: {_listed(lacking)}",
                f"Ask the cluster's administrator for them{less}",
            )


def _passes_on(api: Api, demand: Demand) -> Iterator[Finding]:
    """The rights that the environment's own accounts are given."""
    places = dict.fromkeys(grant.namespace for grant in demand.grants)
    barred = {q.namespace for q in _refused(api, [_Question(_ROLES, verb, n) for n in places for verb in _PASS_ON])}
    asked = dict.fromkeys(
        _Question(Right(grant.group, grant.resource, namespaced=True), verb, grant.namespace, grant.name)
        for grant in demand.grants
        if grant.namespace in barred
        for verb in grant.verbs
    )
    refused = _refused(api, asked)
    for namespace in places:
        if lacking := [question for question in refused if question.namespace == namespace]:
            yield Finding(
                "error",
                f"Your account can't give the environment's accounts in namespace {namespace} rights that it lacks"
                f" itself: {_listed(lacking)}",
                f"Ask the cluster's administrator for these, or for {' and '.join(_PASS_ON)} on {_ROLES.full_name}",
            )


def _passes_on_kubeflows(api: Api, demand: Demand) -> Iterator[Finding]:
    """The rights that Kubeflow's own manifests give its accounts: too many to ask for each."""
    if not (namespace := demand.kubeflow_namespace):
        return
    asked = [_Question(right, verb, namespace if right.namespaced else "")
             for right in (_CLUSTER_ROLES, _ROLES) for verb in _PASS_ON]  # fmt: skip
    if lacking := _refused(api, asked):
        yield Finding(
            "error",
            f"Your account can't give Kubeflow's accounts rights that it lacks itself; for that it needs"
            f" {_listed(lacking)}",
            'Ask the cluster\'s administrator for them, or leave Kubeflow out with pipelines = "none". If your account'
            " has all of Kubeflow's rights itself, --skip-checks goes on",
        )


def _refused(api: Api, questions: Iterable[_Question]) -> list[_Question]:
    asked = list(questions)
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(pool.map(lambda question: _may(api, question), asked))
    return [question for question, allowed in zip(asked, answers, strict=True) if not allowed]


def _listed(questions: list[_Question]) -> str:
    """Verbs and what they are about, those with the same verbs together."""
    verbs: dict[str, list[str]] = {}
    for question in questions:
        named = f"{question.right.full_name} {question.name}".rstrip()
        verbs.setdefault(named, []).append(question.verb)
    names: dict[str, list[str]] = {}
    for named, found in verbs.items():
        names.setdefault(", ".join(found), []).append(named)
    return "; ".join(f"{found}: {', '.join(named)}" for found, named in names.items())


def _may(api: Api, question: _Question) -> bool:
    resource, _, subresource = question.right.resource.partition("/")
    attributes = {
        "group": question.right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": question.verb,
        "namespace": question.namespace,
        "name": question.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer.get("status", {}).get("allowed"))
