import os
import socket

import pytest

from mlops_platform.errors import PlatformError
from mlops_platform.supervision import ports


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ports_are_free_different_and_below_those_of_outgoing_connections():
    chosen = ports.assign(dict.fromkeys("abcdefghij", 0), {}, {}, "test")
    assert len(set(chosen.values())) == 10
    assert all(ports.is_free(port) and port < 32768 for port in chosen.values())


def test_earlier_ports_are_taken_again():
    earlier = ports.assign({"a": 0, "b": 0}, {}, {}, "test")
    assert ports.assign({"a": 0, "b": 0}, {}, earlier, "test") == earlier


def test_a_busy_earlier_port_is_replaced(listener):
    assert ports.assign({"a": 0}, {}, {"a": listener}, "test")["a"] != listener


def test_a_port_is_never_given_twice():
    (port,) = ports.assign({"a": 0}, {}, {}, "test").values()
    chosen = ports.assign({"a": 0, "b": port}, {}, {"a": port}, "test")
    assert chosen["b"] == port
    assert chosen["a"] != port


def test_a_busy_requested_port_is_an_error_that_names_port_and_holder(listener):
    with pytest.raises(PlatformError, match=rf"port {listener} on 127.0.0.1 is in use, by process {os.getpid()} \("):
        ports.assign({"a": listener}, {}, {}, "test")


def test_a_port_held_on_all_interfaces_is_not_free():
    with socket.create_server(("", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_port_at_a_fixed_distance_is_free_as_well():
    chosen = ports.assign({"a": 0}, {"b": ("a", 10_000)}, {}, "test")
    assert chosen["b"] == chosen["a"] + 10_000 < 32768
    with socket.create_server(("127.0.0.1", chosen["b"])):
        again = ports.assign({"a": 0}, {"b": ("a", 10_000)}, chosen, "test")
    assert again["a"] != chosen["a"]
    assert again["b"] == again["a"] + 10_000
