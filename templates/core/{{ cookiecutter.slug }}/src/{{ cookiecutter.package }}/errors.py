"""Everything this project refuses to do, with what to do next."""


class ProjectError(Exception):
    """A failure that its reader can act on.

    Args:
        message: what happened, and why.
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint on a line of its own."""
        message = super().__str__()
        return f"{message}\n  next: {self.hint}" if self.hint else message


class ConfigError(ProjectError):
    """params.yaml or an environment variable holds something that can't be used."""


class DataError(ProjectError):
    """The data is missing, or isn't what the schema says."""


class UntrustedModelError(ProjectError):
    """A stored model isn't the one that was registered, or holds types that are not on the list."""


class RegistryError(ProjectError):
    """The model registry can't be reached, or doesn't hold what was asked for."""


class StoreError(ProjectError):
    """The object store can't be reached, or gave back something else than what was stored."""
