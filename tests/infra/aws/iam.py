"""What AWS would answer: policies evaluated by the rules of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, within one account.

What it doesn't know it refuses to judge: an operator, an element or a policy variable that is missing here is an error.
"""

import dataclasses
import fnmatch
import json
import re

_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}
_TRUE = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        action: such as "s3:GetObject".
        resource: ARN, or "*" where an action has none.
        context: condition keys and their values; a list where a key has several.
        principal: for resource policies: {"AWS": arn}, {"Service": name} or {"Federated": arn}.
    """

    action: str
    resource: str = "*"
    context: dict = dataclasses.field(default_factory=dict)
    principal: dict = dataclasses.field(default_factory=dict)


def allowed(request, *policies, boundary=None, resource_policies=()):
    """Whether the call goes through.

    Args:
        request: what is asked for.
        policies: of the identity.
        boundary: policy above which the identity gets nothing by its own policies.
        resource_policies: of what is called; one that names the caller grants by itself.
    """
    everything = [*policies, *resource_policies, *([boundary] if boundary else [])]
    if any(_says("Deny", policy, request, named=policy in resource_policies) for policy in everything):
        return False
    if any(_says("Allow", policy, request, named=True) for policy in resource_policies):
        return True
    own = any(_says("Allow", policy, request) for policy in policies)
    return own and (boundary is None or _says("Allow", boundary, request))


def may_assume(trust, principal, context):
    """Whether a role's trust policy lets a token in."""
    request = Request("sts:AssumeRoleWithWebIdentity", context=context, principal=principal)
    return allowed(request, resource_policies=[trust])


def statements(policy):
    """Of a policy's text, or of its parsed form."""
    found = (json.loads(policy) if isinstance(policy, str) else policy)["Statement"]
    return found if isinstance(found, list) else [found]


def listed(value):
    """A policy's "one or several" as a list."""
    return value if isinstance(value, list) else [value]


def _says(effect, policy, request, *, named=False):
    return any(s["Effect"] == effect and _applies(s, request, named=named) for s in statements(policy))


def _applies(statement, request, *, named):
    if unknown := set(statement) - _ELEMENTS:
        raise NotImplementedError(unknown)
    if "${" in json.dumps(statement):
        raise NotImplementedError("a policy variable")
    if named != ("Principal" in statement):
        raise ValueError("a resource's policy names who, an identity's doesn't", statement)
    if named and not _is_named(statement["Principal"], request.principal):
        return False
    # A trust policy has no resource: it is the role's own.
    about = "Principal" in statement and "Resource" not in statement
    return (
        _either(statement, "Action", lambda pattern: _like(request.action.lower(), pattern.lower()))
        and (about or _either(statement, "Resource", lambda pattern: _arn_like(request.resource, pattern)))
        and all(
            _holds(operator, key, listed(wanted), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _either(statement, element, matches):
    if f"Not{element}" in statement:
        return not any(map(matches, listed(statement[f"Not{element}"])))
    return any(map(matches, listed(statement[element])))


def _is_named(named, caller):
    if named == "*":
        return True
    return any(value in ("*", caller.get(kind)) for kind, values in named.items() for value in listed(values))


def _like(value, pattern):
    """Globs with * and ? alone: brackets mean themselves."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _arn_like(value, pattern):
    """Part by part, so that a wildcard doesn't reach over a colon, except in the last."""
    if pattern == "*":
        return True
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(_like, parts, patterns))


def _bool(value, wanted):
    return _TRUE[str(value).lower()] == _TRUE[str(wanted).lower()]


_COMPARE = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _bool,
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
}


def _holds(operator, key, wanted, context):
    quantifier, _, name = operator.rpartition(":")
    values = {k.lower(): v for k, v in context.items()}.get(key.lower())
    if name == "Null":
        return (values is None) == _TRUE[str(wanted[0]).lower()]
    name, if_exists = re.fullmatch(r"(\w+?)(IfExists)?", name).groups()
    negated = re.fullmatch(r"(String|Arn|Numeric)Not(\w+)", name)
    compare = _COMPARE.get("".join(negated.groups()) if negated else name)
    if compare is None or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise NotImplementedError(operator)
    if values is None:
        return bool(if_exists or negated or quantifier == "ForAllValues")
    if not quantifier and isinstance(values, list):
        raise ValueError(f"{key} has several values, and {operator} takes one")
    found = [any(compare(value, one) for one in wanted) != bool(negated) for value in listed(values)]
    return any(found) if quantifier == "ForAnyValue" else all(found)
