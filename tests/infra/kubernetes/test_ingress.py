import pytest

EVERYTHING = {"domain": "ml.example.com", "clusterIssuer": "letsencrypt", "serviceImage": "ghcr.io/acme/flights:1"}


@pytest.fixture
def published(on_cluster):
    def run(**values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.ingress import Published

            namespaces = {
                "": "flights-prod",
                "serving": "flights-prod-serving",
                "monitoring": "flights-prod-monitoring",
            }
            Published("published", cluster=cluster, namespaces=namespaces)

        return on_cluster(declare, **values)

    return run


@pytest.fixture
def url(configured):
    def ask(host, **values):
        from mlops_platform.components.kubernetes import ingress

        return ingress.url(configured(**values), host)

    return ask


def hosts(recorded):
    return {rule["host"].split(".")[0] for o in recorded.all("Ingress") for rule in o["spec"]["rules"]}


def test_nothing_is_published_unasked(published):
    assert not published(serviceImage="ghcr.io/acme/flights:1").objects


def test_what_has_a_lock_of_its_own_is_published_and_the_service(published):
    """Whoever reaches MLflow, Kubeflow, Prometheus or Alertmanager may do there whatever they like."""
    assert hosts(published(**EVERYTHING)) == {"service", "grafana", "s3", "registry"}


def test_without_tls_nothing_is_published_that_asks_for_a_password_or_a_key(published):
    values = {key: value for key, value in EVERYTHING.items() if key != "clusterIssuer"}
    recorded = published(**values)
    assert hosts(recorded) == {"service"}
    assert "tls" not in recorded.find("Ingress")["spec"]


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"serviceImage": ""}, "service"),
        ({"serving": "false"}, "service"),
        ({"monitoring": "false"}, "grafana"),
        ({"store": "s3", "s3Endpoint": "https://s3.example.com"}, "s3"),
        ({"storeTls": "true"}, "s3"),
        ({"registry": "ghcr.io/acme"}, "registry"),
    ],
)
def test_only_what_there_is_is_published(published, values, missing):
    assert hosts(published(**{**EVERYTHING, **values})) == {"service", "grafana", "s3", "registry"} - {missing}


@pytest.mark.parametrize(
    ("name", "namespace", "port"),
    [
        ("service", "flights-prod-serving", 8000),
        ("grafana", "flights-prod-monitoring", 3000),
        ("store", "flights-prod", 9000),
        ("registry", "flights-prod", 5000),
    ],
)
def test_each_leads_to_its_service_beside_it(published, name, namespace, port):
    ingress = published(**EVERYTHING).find("Ingress", name)
    assert ingress["metadata"]["namespace"] == namespace
    backends = [path["backend"]["service"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    assert all(backend == {"name": name, "port": {"number": port}} for backend in backends)


def test_the_services_metrics_are_not_for_everyone(published):
    paths = published(**EVERYTHING).find("Ingress", "service")["spec"]["rules"][0]["http"]["paths"]
    assert {"/predict", "/feedback"} <= {path["path"] for path in paths}
    assert "/metrics" not in {path["path"] for path in paths}
    assert all(path["pathType"] == "Exact" for path in paths)


def test_cert_manager_signs_for_each_host(published):
    for ingress in published(**EVERYTHING).all("Ingress"):
        assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
        (tls,) = ingress["spec"]["tls"]
        assert tls["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]]
        assert tls["secretName"] == f"{ingress['metadata']['name']}-tls"


@pytest.mark.parametrize(("name", "unlimited"), [("store", True), ("registry", True), ("service", False)])
def test_objects_and_layers_may_be_of_any_size(published, name, unlimited):
    annotations = published(**EVERYTHING).find("Ingress", name)["metadata"]["annotations"]
    for key in ("nginx.ingress.kubernetes.io/proxy-body-size", "nginx.org/client-max-body-size"):
        assert (annotations.get(key) == "0") is unlimited


@pytest.mark.parametrize(("values", "expected"), [({}, None), ({"ingressClass": "traefik"}, "traefik")])
def test_the_class_is_the_settings_or_the_clusters(published, values, expected):
    for ingress in published(**EVERYTHING, **values).all("Ingress"):
        assert ingress["spec"].get("ingressClassName") == expected


def test_up_does_not_wait_for_an_address_that_some_controllers_never_tell(published):
    for ingress in published(**EVERYTHING).all("Ingress"):
        assert ingress["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_address_of_what_is_published(url):
    assert url("grafana", **EVERYTHING) == "https://grafana.ml.example.com"
    assert url("service", domain="ml.example.com", serviceImage="ghcr.io/acme/flights:1") == (
        "http://service.ml.example.com"
    )


@pytest.mark.parametrize(
    ("host", "values"),
    [("grafana", {}), ("grafana", {"domain": "ml.example.com"}), ("registry", {**EVERYTHING, "registry": "ghcr.io/a"})],
)
def test_what_is_not_published_has_no_address(url, host, values):
    assert url(host, **values) == ""
