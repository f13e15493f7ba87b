"""A store as the parts of an environment see it, for tests of those that use it."""

import pulumi


class FakeStore:
    """Each consumer's keys have its name in them, so that nobody gets another's unnoticed."""

    region = "eu-west-1"

    def __init__(self, endpoint="http://store.flights-prod.svc:9000", authority=None):
        self.endpoint = endpoint
        self.authority = authority and pulumi.Output.from_input(authority)
        self.artifact_bucket = pulumi.Output.from_input("flights-artifacts")

    def keys(self, consumer):
        return pulumi.Output.secret(f"{consumer}-id"), pulumi.Output.secret(f"{consumer}-secret")


def environment(container):
    """A container's variables: values, or Secret/key."""
    found = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = f"{source['name']}/{source['key']}" if source else variable["value"]
    return found
