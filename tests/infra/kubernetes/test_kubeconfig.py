import base64
import os

import pytest
import yaml

from mlops_platform.errors import PlatformError

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DATA = base64.b64encode(PEM.encode()).decode()
SERVER = "https://api.example.com:6443"


def kubeconfig(path, context="kind", cluster="kind", **fields):
    """A kubeconfig with one context."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": SERVER, **fields}}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "hush"}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def find(context, *paths):
    from mlops_platform.components.kubernetes import kubeconfig

    return kubeconfig.find(context, {"KUBECONFIG": os.pathsep.join(map(str, paths))})


def found(url=SERVER, authority="", server_name=""):
    from mlops_platform.components.kubernetes.kubeconfig import ApiServer

    return ApiServer(url, authority, server_name)


def test_the_default_place_is_the_persons_home(tmp_path, monkeypatch):
    from mlops_platform.components.kubernetes import kubeconfig as module

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    kubeconfig(tmp_path / ".kube/config")
    assert module.find("kind") == found()


def test_the_authority_is_read_from_the_data(tmp_path):
    path = kubeconfig(tmp_path / "config", **{"certificate-authority-data": DATA, "tls-server-name": "kubernetes"})
    assert find("kind", path) == found(authority=PEM, server_name="kubernetes")


def test_the_authority_is_read_from_a_file_beside_the_kubeconfig_that_names_it(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ca.pem").write_text(PEM)
    (tmp_path / "ca.pem").write_text("not this one")
    other = kubeconfig(tmp_path / "a" / "config", context="other", cluster="other")
    path = kubeconfig(tmp_path / "b" / "config", **{"certificate-authority": "ca.pem"})
    assert find("kind", other, path) == found(authority=PEM)


def test_data_goes_before_a_file(tmp_path):
    fields = {"certificate-authority": "absent.pem", "certificate-authority-data": DATA}
    assert find("kind", kubeconfig(tmp_path / "config", **fields)) == found(authority=PEM)


def test_trust_in_anybody_is_told_apart_from_public_trust(tmp_path):
    assert find("kind", kubeconfig(tmp_path / "a", **{"insecure-skip-tls-verify": True})) == found(authority=None)
    assert find("kind", kubeconfig(tmp_path / "b")) == found(authority="")


def test_the_first_file_that_knows_a_name_decides(tmp_path):
    first = kubeconfig(tmp_path / "a", server="https://first")
    second = kubeconfig(tmp_path / "b", server="https://second")
    assert find("kind", first, second).url == "https://first"
    assert find("kind", second, first).url == "https://second"


def test_a_context_and_its_cluster_may_be_in_different_files(tmp_path):
    clusters, contexts = (kubeconfig(tmp_path / name) for name in ("clusters", "contexts"))
    for path, key in ((clusters, "contexts"), (contexts, "clusters")):
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: None}))
    assert find("kind", contexts, clusters) == found()


def test_files_that_are_not_there_and_empty_ones_are_passed_over(tmp_path):
    (tmp_path / "empty").touch()
    path = kubeconfig(tmp_path / "config")
    assert find("kind", tmp_path / "absent", "", tmp_path / "empty", path) == found()


def test_an_unknown_context_is_named_with_those_that_there_are(tmp_path):
    one, two = kubeconfig(tmp_path / "a", context="prod"), kubeconfig(tmp_path / "b", context="dev")
    with pytest.raises(
        PlatformError, match="No kubeconfig has a context 'knd'; there are: dev, prod\nWhat to do: .*set context"
    ):
        find("knd", one, two)
    with pytest.raises(PlatformError, match="there are: none\n"):
        find("kind", tmp_path / "absent")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server": "http://127.0.0.1:8001"}, "the server's address must be https://, to keep tokens secret, and is 'http://127"),
        ({"server": ""}, "must be https://"),
        ({"server": "https://"}, "must be https://"),
        ({"server": "https://[::1"}, "must be https://"),
        ({"server": "https://host:port"}, "must be https://"),
        ({"certificate-authority-data": "%%%"}, "certificate-authority-data isn't base64"),
        ({"certificate-authority-data": 7}, "certificate-authority-data isn't base64"),
        ({"certificate-authority-data": "gQ=="}, "certificate-authority-data isn't base64"),
        ({"certificate-authority-data": base64.b64encode(b"hello").decode()}, "is no PEM certificate"),
        ({"certificate-authority": "absent.pem"}, "absent.pem can't be used: it can't be read: No such file"),
        ({"certificate-authority": "."}, "can't be read: Is a directory"),
    ],
)  # fmt: skip
def test_a_cluster_that_cannot_be_used_is_refused_with_the_file_and_the_reason(tmp_path, fields, message):
    with pytest.raises(PlatformError, match=f"The kubeconfig .*{message}"):
        find("kind", kubeconfig(tmp_path / "config", **fields))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: b: c", "it isn't YAML"),
        (b"\xff\xfe\x00", "it isn't YAML"),
        ("[1, 2]", "it holds no mapping"),
        ("just text", "it holds no mapping"),
        ("contexts: [7]", "an entry of contexts is incomplete"),
        ("contexts: [{name: kind}]", "an entry of contexts is incomplete"),
        (
            "contexts: [{name: kind, context: {cluster: gone}}]",
            "context 'kind' names a cluster that isn't there: 'gone'",
        ),
        ("contexts: [{name: kind, context: {}}]", "context 'kind' names a cluster that isn't there: None"),
        ("[" * 5000, "it isn't YAML"),
        ("x: " + "y" * 1_100_000, "it is larger than"),
    ],
    ids=range(10),
)
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path, content, message):
    path = tmp_path / "config"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlatformError, match=f"The kubeconfig .*config can't be used: {message}"):
        find("kind", path)


def test_an_error_quotes_no_credential(tmp_path):
    path = tmp_path / "config"
    path.write_text("users:\n- name: me\n  user: {token: hush-hush: x\n")
    with pytest.raises(PlatformError) as caught:
        find("kind", path)
    assert "hush" not in str(caught.value)
