"""Why a cluster can't be worked with, each told apart from the others."""

from __future__ import annotations

from seedbed.errors import InfrastructureError, SpecError


class NoSuchContextError(SpecError):
    """The kubeconfig has no context of that name, or there is no kubeconfig."""

    kind = "no-such-context"


class ClusterError(InfrastructureError):
    """The API server answered, and not with what was asked for."""

    kind = "cluster"


class CredentialsRefusedError(ClusterError):
    """The API server doesn't know who is asking (401), or the credential plugin failed."""

    kind = "credentials-refused"


class NotAllowedError(ClusterError):
    """The API server knows who is asking and refuses (403).

    Attributes:
        said: which right is missing, in the server's words.
    """

    kind = "not-allowed"

    def __init__(self, context: str, said: str) -> None:
        super().__init__(
            f"The cluster of context '{context}' does not allow this: {said}",
            hint="Ask its administrator for that right, or use a context that has it.",
        )
        self.said = said


class UnreachableError(InfrastructureError):
    """No API server answered. Whether the cluster still exists is not known."""

    kind = "cluster-unreachable"
