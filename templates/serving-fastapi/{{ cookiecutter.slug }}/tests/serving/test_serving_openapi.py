"""What FastAPI adds to the contract: its description."""

from __future__ import annotations

from {{ cookiecutter.package }}.schema import FEATURES


def test_every_route_and_column_is_described(steady):
    described = steady.get("/openapi.json").json()
    assert {"/", "/predict", "/feedback", "/healthz", "/readyz", "/metrics"} == described["paths"].keys()
    assert described["components"]["schemas"]["Record"]["properties"].keys() == set(FEATURES)
    for route in ("/predict", "/feedback"):
        operation = described["paths"][route]["post"]
        assert operation["requestBody"]
        assert {"400", "408", "413", "415", "422", "503"} <= operation["responses"].keys()


def test_the_page_is_there(steady):
    assert steady.get("/docs").status == 200
