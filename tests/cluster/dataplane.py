"""A node's network without containers: a network namespace for each pod, and a router between them that Felix guards.

Everything is inside of network namespaces of its own: the rules of this machine stay as they are.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAMS = ("ip", "iptables", "ipset")
_ROUTER, _OUTSIDE = "seedbed-router", "seedbed-outside"
_GATEWAY = "169.254.1.1"  # for which the router answers on each pod's link, as Calico has it
_OUTER, _INNER = "192.0.2.1", "192.0.2.2"
_CLONE_NEWNET = 0x40000000
_PIECE = 65536
# Answers each connection and each datagram with one word, from the very address that was asked.
_SERVER = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1].split(",")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        one = socket.socket(socket.AF_INET, kind)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.IPPROTO_IP, 8, 1)
        one.bind(("0.0.0.0", port))
        if kind == socket.SOCK_STREAM:
            one.listen(64)
        chosen.register(one, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == socket.SOCK_STREAM:
            with key.fileobj.accept()[0] as client:
                client.sendall(b"hello")
        else:
            _, ancillary, _, client = key.fileobj.recvmsg(64, 64)
            asked = ancillary[0][2]  # in_pktinfo: its address goes into the answer
            answer = bytes(4) + asked[8:12] + bytes(4)
            key.fileobj.sendmsg([b"hello"], [(socket.IPPROTO_IP, 8, answer)], 0, client)
"""
_CLIENT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def ask(question):
    address, port, protocol, source = question
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(3)
        try:
            if source:
                one.bind((source, 0))
            one.connect((address, port))
            if protocol == "UDP":
                one.send(b"hello")
            return one.recv(8) == b"hello"
        except OSError:
            return False

with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(ask, json.load(sys.stdin)))))
"""


class Network:
    """The pods of one node and what is outside of the cluster, which all listen on the same ports.

    Args:
        stack: takes everything down again.
        pods: name → (namespace, the pod's own name, IP address).
        addresses: name → IP address outside.
        ports: that each listens on, over TCP and UDP.
    """

    def __init__(self, stack, *, pods, addresses, ports):
        self._stack = stack
        self._addresses = {**{name: ip for name, (_, _, ip) in pods.items()}, **addresses}
        self._sources = addresses  # who is outside says which of them it is
        self._places = {name: f"seedbed-pod-{number}" for number, name in enumerate(pods)}
        self._places |= dict.fromkeys(addresses, _OUTSIDE)
        self._namespace(_ROUTER)
        self._write(_ROUTER, "net/ipv4/ip_forward", "1")
        for name, (namespace, own, ip) in pods.items():
            self._pod(self._places[name], _interface(namespace, own), ip)
        self._outside(addresses.values())
        for place in sorted(set(self._places.values())):
            server = stack.enter_context(
                subprocess.Popen(_python(place, _SERVER, ",".join(map(str, ports))), stdout=subprocess.PIPE, text=True)
            )
            stack.callback(server.kill)
            assert server.stdout.readline() == "ready\n"

    def ask(self, questions):
        """Whether each of (source, destination, port, protocol) gets an answer."""
        by_place = {}
        for question in questions:
            by_place.setdefault(self._places[question[0]], []).append(question)
        with ThreadPoolExecutor(4) as pool:
            return {key: value for found in pool.map(self._ask, by_place.items()) for key, value in found.items()}

    def guard(self, program, kubeconfig, node, log):
        """Start Felix on the router; the process."""
        port = int(json.loads(kubeconfig)["clusters"][0]["cluster"]["server"].rpartition(":")[2])
        self._stack.callback(_relay(port, _ROUTER).close)
        config = Path(log).with_name("kubeconfig")
        config.touch(mode=0o600)
        config.write_text(kubeconfig)
        variables = {
            "FELIX_DATASTORETYPE": "kubernetes", "FELIX_FELIXHOSTNAME": node, "KUBECONFIG": str(config),
            "FELIX_LOGFILEPATH": "none", "FELIX_LOGSEVERITYFILE": "none", "FELIX_LOGSEVERITYSYS": "none",
            "FELIX_LOGSEVERITYSCREEN": "warning", "FELIX_IPTABLESBACKEND": "NFT", "FELIX_IPV6SUPPORT": "false",
            "FELIX_BPFENABLED": "false", "FELIX_IPINIPENABLED": "false", "FELIX_VXLANENABLED": "false",
            "FELIX_USAGEREPORTINGENABLED": "false", "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
        }  # fmt: skip
        with Path(log).open("wb") as file:
            command = [shutil.which("ip"), "netns", "exec", _ROUTER, str(program)]
            felix = subprocess.Popen(command, env={**os.environ, **variables}, stdout=file, stderr=subprocess.STDOUT)
        self._stack.enter_context(felix)
        self._stack.callback(felix.terminate)
        return felix

    def _ask(self, asked):
        place, questions = asked
        rows = [
            [self._addresses[destination], port, protocol, self._sources.get(source, "")]
            for source, destination, port, protocol in questions
        ]
        done = subprocess.run(
            _python(place, _CLIENT), input=json.dumps(rows), capture_output=True, text=True, timeout=120, check=True
        )
        return dict(zip(questions, json.loads(done.stdout), strict=True))

    def _pod(self, place, interface, ip):
        self._namespace(place)
        _ip(_ROUTER, "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", place)
        self._write(_ROUTER, f"net/ipv4/conf/{interface}/proxy_arp", "1")
        _ip(_ROUTER, "link", "set", interface, "up")
        _ip(place, "addr", "add", f"{ip}/32", "dev", "eth0")
        _ip(place, "link", "set", "eth0", "up")
        _ip(place, "route", "add", _GATEWAY, "dev", "eth0", "scope", "link")
        _ip(place, "route", "add", "default", "via", _GATEWAY)
        _ip(_ROUTER, "route", "replace", f"{ip}/32", "dev", interface)

    def _outside(self, addresses):
        self._namespace(_OUTSIDE)
        _ip(_ROUTER, "link", "add", "outside", "type", "veth", "peer", "name", "eth0", "netns", _OUTSIDE)
        for place, interface, ip in ((_ROUTER, "outside", _OUTER), (_OUTSIDE, "eth0", _INNER)):
            _ip(place, "addr", "add", f"{ip}/24", "dev", interface)
            _ip(place, "link", "set", interface, "up")
        for address in addresses:
            _ip(_OUTSIDE, "addr", "add", f"{address}/32", "dev", "eth0")
        _ip(_OUTSIDE, "route", "add", "default", "via", _OUTER)
        _ip(_ROUTER, "route", "add", "default", "via", _INNER)

    def _namespace(self, name):
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)  # of a run that was killed
        subprocess.run(["ip", "netns", "add", name], capture_output=True, check=True)
        self._stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        _ip(name, "link", "set", "lo", "up")

    @staticmethod
    def _write(place, key, value):
        subprocess.run(
            ["ip", "netns", "exec", place, "tee", f"/proc/sys/{key}"],
            input=value.encode(),
            check=True,
            capture_output=True,
        )


def _ip(place, *arguments):
    subprocess.run(["ip", "-netns", place, *arguments], capture_output=True, check=True)


def _python(place, code, *arguments):
    return ["ip", "netns", "exec", place, sys.executable, "-S", "-c", code, *arguments]


def _interface(namespace, name):
    """The name by which Calico knows the router's end of a pod's link."""
    return "cali" + hashlib.sha1(f"{namespace}.{name}".encode(), usedforsecurity=False).hexdigest()[:11]


def _relay(port, place):
    """Listen on a port of loopback in a network namespace, and pass on what comes to the same port of our own."""
    listener = None

    def listen():
        # A thread has a network namespace of its own, and a socket stays in the one that it was made in.
        nonlocal listener
        with Path("/run/netns", place).open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"no way into {place}")
        listener = socket.create_server(("127.0.0.1", port))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
    return listener


def _serve(listener, port):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source, target):
    with contextlib.suppress(OSError), target:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
