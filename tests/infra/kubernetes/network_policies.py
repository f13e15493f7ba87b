"""What network policies allow, worked out from the objects as https://kubernetes.io/docs/concepts/services-networking/network-policies/ says."""

import ipaddress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pod:
    """A pod, in a namespace with these labels beside the name that every namespace carries."""

    namespace: str
    labels: dict = field(default_factory=dict, hash=False)
    namespace_labels: dict = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Address:
    """A peer that is no pod of the cluster."""

    ip: str


def allowed(policies, source, destination, port, protocol="TCP"):
    """Whether a connection passes the policies of both its ends."""
    return _passes(policies, source, destination, "Egress", port, protocol) and _passes(
        policies, destination, source, "Ingress", port, protocol
    )


def selects(selector, labels):
    """Whether a label selector matches; an empty one matches everything."""
    unknown = set(selector) - {"matchLabels", "matchExpressions"}
    assert not unknown, unknown
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_expression(labels, expression) for expression in selector.get("matchExpressions", []))


def _expression(labels, expression):
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
    raise AssertionError(expression)


def _passes(policies, own, other, direction, port, protocol):
    """Whether one end's policies let the connection through; without any policy for it everything passes."""
    if isinstance(own, Address):
        return True
    chosen = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [(policy, rule) for policy in chosen for rule in policy["spec"].get(direction.lower()) or []]
    return not chosen or any(_rule(policy, rule, direction, other, port, protocol) for policy, rule in rules)


def _rule(policy, rule, direction, other, port, protocol):
    side = "from" if direction == "Ingress" else "to"
    unknown = set(rule) - {side, "ports"}
    assert not unknown, unknown
    peers, ports = rule.get(side) or [], rule.get("ports") or []
    right_port = not ports or any(
        item.get("protocol", "TCP") == protocol and item.get("port", port) == port for item in ports
    )
    return right_port and (not peers or any(_peer(policy, peer, other) for peer in peers))


def _peer(policy, peer, other):
    if block := peer.get("ipBlock"):
        assert set(peer) == {"ipBlock"}, peer
        # Whether a block matches pods too is left to the network plugin: a policy must mean the same with all of them.
        return (
            isinstance(other, Address)
            and _inside(other.ip, block["cidr"])
            and not any(_inside(other.ip, excepted) for excepted in block.get("except", []))
        )
    if isinstance(other, Address):
        return False
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    assert set(peer) <= {"podSelector", "namespaceSelector"}, peer
    if namespaces is None:
        here = other.namespace == policy["metadata"]["namespace"]
    else:
        here = selects(namespaces, {"kubernetes.io/metadata.name": other.namespace, **other.namespace_labels})
    return here and (pods is None or selects(pods, other.labels))


def _inside(ip, block):
    address, network = ipaddress.ip_address(ip), ipaddress.ip_network(block)
    return address.version == network.version and address in network


def dangling(policies, pods):
    """Policies whose own selector, and peers in the cluster whose selectors, match none of these pods.

    A namespace selector that goes by other labels than the name is for namespaces that may come.
    """
    found = []
    for policy in policies:
        namespace, spec = policy["metadata"]["namespace"], policy["spec"]
        own = [pod for pod in pods if pod.namespace == namespace and selects(spec["podSelector"], pod.labels)]
        if not own:
            found.append((namespace, policy["metadata"]["name"], "selects nothing"))
        rules = [*(spec.get("ingress") or []), *(spec.get("egress") or [])]
        for peer in (peer for rule in rules for peer in [*(rule.get("from") or []), *(rule.get("to") or [])]):
            named = set((peer.get("namespaceSelector") or {}).get("matchLabels", {})) <= {"kubernetes.io/metadata.name"}
            if "podSelector" in peer and named and not any(_peer(policy, peer, pod) for pod in pods):
                found.append((namespace, policy["metadata"]["name"], peer))
    return found
