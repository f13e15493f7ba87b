"""A server's certificate, signed by an authority of the environment's own; both are kept in the state, encrypted."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from mlops_platform.resources.provider import Provider, expected

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# A server's certificate lasts as long as the strictest clients accept one (Apple's, 825 days), so that an environment
# that is left alone runs on; each `up` in its last months renews it. Its clients know only the authority.
_AUTHORITY_DAYS, _DAYS = 3650, 825
_RENEWAL_DAYS = 90
# Clocks differ: what is signed now is valid for a machine that is late.
_EARLIER = timedelta(hours=1)
_SECRETS = ("authority_key", "private_key")


class CertificateProvider(Provider):
    """Signs. What it has signed exists in the state alone, so there is nothing to read or delete."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make an authority, and a certificate by it."""
        return CreateResult("certificate", _with_new_authority(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Whether the certificate is for other names, or ends soon."""
        return DiffResult(changes=olds["hosts"] != expected(olds, news)["hosts"] or _ends_soon(olds["certificate"]))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Sign a new certificate; by the same authority, unless that would end before it."""
        if _days_left(olds["authority"]) < _DAYS:
            return UpdateResult(_with_new_authority(news))
        return UpdateResult(_signed(news["hosts"], olds["authority"], olds["authority_key"]))


class Certificate(Resource, module="mlops", name="Certificate"):
    """A certificate for a server.

    Args:
        name: Pulumi name.
        hosts: names and addresses of the server; a name may begin with `*.`.
        opts: Pulumi options.

    Attributes:
        authority: certificate of the authority, as PEM; what clients have to trust.
        certificate: the server's, as PEM.
        private_key: the server's, as PEM; a secret.
    """

    authority: pulumi.Output[str]
    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]

    def __init__(
        self, name: str, *, hosts: Sequence[pulumi.Input[str]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        made = dict.fromkeys(("authority", "authority_key", "certificate", "private_key"))
        secret = pulumi.ResourceOptions(additional_secret_outputs=list(_SECRETS))
        super().__init__(
            CertificateProvider(), name, {"hosts": list(hosts), **made}, pulumi.ResourceOptions.merge(opts, secret)
        )


def _with_new_authority(props: dict[str, Any]) -> dict[str, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = _new_key()
    name = _name("seedbed environment")
    certificate = (
        _builder(name, name, key, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _signed(props["hosts"], _pem(certificate), _key_pem(key))


def _signed(hosts: Sequence[str], authority: str, authority_key: str) -> dict[str, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = x509.load_pem_x509_certificate(authority.encode())
    issuer_key = serialization.load_pem_private_key(authority_key.encode(), password=None)
    assert isinstance(issuer_key, EllipticCurvePrivateKey)  # noqa: S101 - `_new_key` makes no other
    key = _new_key()
    certificate = (
        _builder(_name(hosts[0]), issuer.subject, key, _DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        # For clients too: one of several servers is a client of the others.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return {
        "hosts": list(hosts),
        "authority": authority,
        "authority_key": authority_key,
        "certificate": _pem(certificate),
        "private_key": _key_pem(key),
    }


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    # No name is longer than 64 characters here; clients read the other extension anyway.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _ends_soon(certificate: str) -> bool:
    return _days_left(certificate) < _RENEWAL_DAYS


def _days_left(certificate: str) -> float:
    from cryptography import x509

    end = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    return (end - datetime.now(UTC)) / timedelta(days=1)
