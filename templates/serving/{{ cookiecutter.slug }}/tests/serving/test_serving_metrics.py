"""What is measured of a request."""

from __future__ import annotations

import asyncio
import time

import pytest

from {{ cookiecutter.package }}.serving.metrics import Metrics, RequestMetrics


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def measured(clock, status):
    """Serve a request that is 3 s on its way, takes the service 0.2 s, and its client 5 s to read."""

    async def receive():
        clock[0] += 1.5
        return {"type": "http.request", "body": b"{}", "more_body": clock[0] < 103}

    async def send(_):
        clock[0] += 2.5

    async def app(_, receive, send):
        while (await receive())["more_body"]:
            pass
        clock[0] += 0.2
        await send({"type": "http.response.start", "status": status})
        clock[0] -= 2.5
        await send({"type": "http.response.body"})

    metrics = Metrics(dict)
    watched = RequestMetrics(app, metrics=metrics, routes=frozenset({"/predict"}))
    asyncio.run(watched({"type": "http", "path": "/predict", "method": "POST"}, receive, send))
    return metrics


def test_the_latency_is_the_services_own_and_not_the_lines(clock):
    metrics = measured(clock, 200)
    seconds = metrics.registry.get_sample_value(
        "serving_http_request_duration_seconds_sum", {"route": "/predict"}
    )
    assert seconds == pytest.approx(0.2)


@pytest.mark.parametrize("status", [400, 422, 503])
def test_what_was_refused_has_no_latency(clock, status):
    metrics = measured(clock, status)
    labels = {"route": "/predict", "method": "POST", "status": str(status)}
    assert metrics.registry.get_sample_value("serving_http_requests_total", labels) == 1
    assert "duration_seconds_count" not in metrics.render().decode()


def test_the_registry_counts_as_asked_when_the_service_starts():
    """Or an alert on the time since then would go off at the first failure."""
    before = time.time()
    asked = Metrics(dict).registry.get_sample_value("serving_registry_last_success_timestamp_seconds")
    assert before <= asked <= time.time()
