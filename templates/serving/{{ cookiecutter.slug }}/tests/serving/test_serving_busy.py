"""More requests and connections than the service can take: who is refused, and who is answered anyway."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from {{ cookiecutter.package }} import model
from {{ cookiecutter.package }}.serving.service import THREADS

from .wire import ask, get, headers, read_answer

AT_ONCE = ("/healthz", "/readyz", "/metrics")


class Gate:
    """Holds predictions until it is opened, and counts them."""

    def __init__(self):
        self.entered = 0
        self._opened = threading.Event()
        self._predict = model.predict

    def predict(self, *arguments):
        self.entered += 1
        self._opened.wait(30)
        return self._predict(*arguments)

    def open(self):
        self._opened.set()


@pytest.fixture
def busy(serve, settings, registry, monkeypatch, wait_until):
    """Run the service with other bounds, its predictions held at a gate."""

    @contextlib.contextmanager
    def run(**bounds):
        gate = Gate()
        with serve(replace(settings, **bounds), registry) as client:
            wait_until(lambda: client.get("/readyz").status == 200)
            monkeypatch.setattr(model, "predict", gate.predict)
            try:
                yield client, gate
            finally:
                gate.open()

    return run


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as threads:
        yield threads


def shed(client, reason):
    found = f'serving_http_shed_total{{ '{{reason="{reason}"}}' }} '
    return next(
        float(line.split()[-1]) for line in client.get("/metrics").text.splitlines() if line.startswith(found)
    )


@pytest.mark.parametrize("path", ["/predict", "/feedback"])
def test_beyond_the_queue_a_request_is_refused_before_its_body_is_sent(busy, records, pool, wait_until, path):
    with busy(max_queue=THREADS) as (client, gate):
        held = [pool.submit(client.post, "/predict", records[0]) for _ in range(THREADS)]
        wait_until(lambda: gate.entered == THREADS)
        head = headers(Content_Length=1000, Expect="100-continue").replace(b"/predict", path.encode())
        status, body, _ = ask(client.port, head)
        assert status == 503
        assert "too many requests" in body["detail"]
        answer = client.post(path, {})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert shed(client, "queue") == 2
        for quick in AT_ONCE:
            assert client.get(quick).status == 200
        metrics = client.get("/metrics").text
        assert f'serving_http_requests_total{{ '{{method="POST",route="{path}",status="503"}}' }} 2.0' in metrics
        gate.open()
        assert [future.result().status for future in held] == [200] * THREADS
        assert client.post("/predict", records[0]).status == 200


def test_health_and_metrics_wait_behind_no_prediction(busy, records, pool, wait_until):
    with busy() as (client, gate):
        held = [pool.submit(client.post, "/predict", records[0]) for _ in range(THREADS + 8)]
        wait_until(lambda: gate.entered == THREADS)
        for path in (*AT_ONCE, "/", "/nothing"):
            assert client.get(path).status in {200, 404}
        assert gate.entered == THREADS
        gate.open()
        assert {future.result().status for future in held} == {200}


def test_bodies_that_arrive_have_a_bound_together(serve, settings, registry, records, wait_until):
    with serve(replace(settings, max_queue=1, body_timeout_seconds=10), registry) as client:
        wait_until(lambda: client.get("/readyz").status == 200)
        part = headers(Content_Length=90_000) + b" " * 60_000
        with socket.create_connection(("127.0.0.1", client.port)) as slow:
            slow.sendall(part)
            wait_until(lambda: client.post("/predict", b" " * 60_000).status == 503)
            assert shed(client, "memory") == 1
            with socket.create_connection(("127.0.0.1", client.port)) as refused:
                refused.sendall(part)
                assert read_answer(refused)[0] == 503
                # Nothing is kept of what was refused, though its client still sends.
                assert client.post("/predict", b" " * 39_000).status == 400
            for path in AT_ONCE:
                assert client.get(path).status == 200
        wait_until(lambda: client.post("/predict", b" " * 60_000).status == 400)
        assert client.post("/predict", records[0]).status == 200
        # Who goes away in the middle is no failure of the service.
        assert 'route="/predict",status="499"} 1.0' in client.get("/metrics").text


def test_slow_clients_give_way_to_those_who_ask_for_health(serve, settings, registry, wait_until):
    with serve(replace(settings, max_connections=10, body_timeout_seconds=10), registry) as client:
        wait_until(lambda: client.get("/readyz").status == 200)
        with contextlib.ExitStack() as stack:
            slow = []
            for _ in range(30):
                slow.append(stack.enter_context(socket.create_connection(("127.0.0.1", client.port))))
                slow[-1].sendall(headers(Content_Length=100) + b"{")
            for path in AT_ONCE:
                assert client.get(path).status == 200
            assert shed(client, "connections") >= 20
            # The one that has let the service wait longest was the first to go.
            slow[0].settimeout(5)
            with contextlib.suppress(ConnectionError):
                assert slow[0].recv(1) == b""
            slow[-1].settimeout(0)
            with pytest.raises(BlockingIOError):
                slow[-1].recv(1)


def test_a_client_that_does_not_take_its_answers_is_cut_off(serve, settings, registry, wait_until):
    impatient = replace(settings, body_timeout_seconds=0.5)
    with serve(impatient, registry, send_buffer=4096) as client, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", client.port))
        connection.sendall(get("/metrics") * 200)
        errors = select.poll()
        errors.register(connection, select.POLLERR | select.POLLHUP)
        wait_until(lambda: bool(errors.poll(0)))


def test_a_crowd_at_the_door_is_answered_one_by_one(client, records, pool):
    answers = list(pool.map(lambda _: client.post("/predict", records[0]).status, range(100)))
    assert answers == [200] * 100
