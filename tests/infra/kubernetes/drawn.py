"""Dynamic resources in programs that no engine runs: their providers make the outputs all the same."""

import pulumi

from mlops_platform.resources.certificate import CertificateProvider
from mlops_platform.resources.htpasswd import HtpasswdProvider
from mlops_platform.resources.password import PasswordProvider


def drawn(provider, *outputs):
    """A stand-in for a resource of this provider, with the outputs named."""

    class Drawn:
        def __init__(self, _name, opts=None, **inputs):  # noqa: ARG002 - as of a resource
            made = pulumi.Output.all(**{key: _whole(value) for key, value in inputs.items()}).apply(
                lambda known: provider().create(known).outs
            )
            for output in outputs:
                setattr(self, output, pulumi.Output.secret(made.apply(lambda outs, key=output: outs[key])))

    return Drawn


def _whole(value):
    return pulumi.Output.all(*value) if isinstance(value, list) else value


PASSWORD = drawn(PasswordProvider, "value")
HTPASSWD = drawn(HtpasswdProvider, "line")


class CERTIFICATE(pulumi.ComponentResource):
    """A component, since others depend on it."""

    def __init__(self, name, *, hosts, opts=None):
        super().__init__("test:Certificate", name, None, opts)
        made = drawn(CertificateProvider, "authority", "certificate", "private_key")(name, hosts=hosts)
        self.authority, self.certificate, self.private_key = made.authority, made.certificate, made.private_key
