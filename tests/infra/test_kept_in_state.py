"""What is drawn or signed once and kept in the state: certificates, hashes of passwords, choices for good."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_platform.errors import PlatformError
from mlops_platform.resources import certificate
from mlops_platform.resources.certificate import CertificateProvider
from mlops_platform.resources.htpasswd import HtpasswdProvider
from mlops_platform.resources.lasting_choice import LastingChoiceProvider

HOSTS = ["store.ns.svc", "*.store-pods.ns.svc", "127.0.0.1"]


def signed(hosts=HOSTS):
    return CertificateProvider().create({"hosts": hosts}).outs


def days_from_now(monkeypatch, days):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(certificate, "datetime", Later)


def verified(made, host):
    """What a client that trusts the authority thinks of the certificate."""
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, Store

    authority = x509.load_pem_x509_certificate(made["authority"].encode())
    server = x509.load_pem_x509_certificate(made["certificate"].encode())
    policy = PolicyBuilder().store(Store([authority])).time(datetime.now(UTC))
    return policy.build_server_verifier(x509.DNSName(host)).verify(server, [])


@pytest.mark.parametrize("host", ["store.ns.svc", "store-0.store-pods.ns.svc"])
def test_clients_that_know_the_authority_accept_the_certificate(host):
    assert len(verified(signed(), host)) == 2


def test_nobody_else_does():
    from cryptography.x509.verification import VerificationError

    with pytest.raises(VerificationError):
        verified(signed(), "store.elsewhere.svc")
    with pytest.raises(VerificationError):
        verified({**signed(), "authority": signed()["authority"]}, "store.ns.svc")


def test_nothing_changes_while_the_certificate_lasts(monkeypatch):
    made = signed()
    assert CertificateProvider().diff("c", made, {"hosts": HOSTS}).changes is False
    days_from_now(monkeypatch, 700)
    assert CertificateProvider().diff("c", made, {"hosts": HOSTS}).changes is False


def test_in_its_last_months_it_is_renewed_and_its_clients_notice_nothing(monkeypatch):
    provider, made = CertificateProvider(), signed()
    days_from_now(monkeypatch, 825 - 30)
    assert provider.diff("c", made, {"hosts": HOSTS}).changes is True
    renewed = provider.update("c", made, {"hosts": HOSTS}).outs
    assert renewed["authority"] == made["authority"]
    assert renewed["certificate"] != made["certificate"]
    assert provider.diff("c", renewed, {"hosts": HOSTS}).changes is False


def test_other_names_need_another_certificate():
    provider, made = CertificateProvider(), signed()
    assert provider.diff("c", made, {"hosts": ["other.ns.svc"]}).changes is True
    renewed = provider.update("c", made, {"hosts": ["other.ns.svc"]}).outs
    assert verified(renewed, "other.ns.svc")


def test_an_authority_that_would_end_first_is_replaced(monkeypatch):
    provider, made = CertificateProvider(), signed()
    days_from_now(monkeypatch, 3650 - 100)
    assert provider.update("c", made, {"hosts": HOSTS}).outs["authority"] != made["authority"]


def test_a_password_is_hashed_once_and_again_only_for_another_one():
    import bcrypt

    provider = HtpasswdProvider()
    given = {"username": "flights", "password": "s3cret"}
    made = provider.create(given).outs
    name, _, digest = made["line"].strip().partition(":")
    assert name == "flights"
    assert bcrypt.checkpw(b"s3cret", digest.encode())
    assert "s3cret" not in made["line"]
    assert provider.diff("h", made, given).changes is False
    assert provider.diff("h", made, {**given, "password": "another"}).changes is True
    renewed = provider.update("h", made, {**given, "password": "another"}).outs["line"].strip()
    assert bcrypt.checkpw(b"another", renewed.partition(":")[2].encode())


def test_a_choice_stays():
    provider = LastingChoiceProvider()
    given = {"subject": "environment's store", "value": "minio", "keys": "store and size"}
    made = provider.create(given).outs
    assert provider.diff("c", made, given).changes is False
    assert provider.diff("c", made, {**given, "keys": "other words"}).changes is False
    with pytest.raises(PlatformError, match=r"store is minio, and seaweedfs is wanted: .* lost\n.*Set store and size"):
        provider.diff("c", made, {**given, "value": "seaweedfs"})
