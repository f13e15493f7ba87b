"""AWS's APIs on loopback, by moto: what this machine has in place of an account."""

import contextlib
import http.client
import http.server
import threading
import urllib.request
from dataclasses import dataclass
from unittest import mock

import boto3

ACCOUNT, REGION = "123456789012", "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Aws:
    """A server and what a person has in the environment to reach it."""

    url: str

    @property
    def variables(self):
        return {**KEYS, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def client(self, service, region=REGION):
        keys = {name.lower(): value for name, value in KEYS.items()}
        return boto3.client(service, endpoint_url=self.url, region_name=region, **keys)

    def reset(self):
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()


EXPIRED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"""


@contextlib.contextmanager
def expiring(aws, flag):
    """A way to the server's S3 that takes nobody's credentials any more as soon as, and as long as, there is a file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = (400, {"Content-Type": "application/xml"}, EXPIRED)
            if not flag.exists():
                upstream = http.client.HTTPConnection(aws.url.removeprefix("http://"), timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers))
                reply = upstream.getresponse()
                status, headers, content = reply.status, dict(reply.headers), reply.read()
                upstream.close()
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header(
                "Content-Length", headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            )
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names of the class above

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def serving():
    """Run it for as long as the block lasts."""
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket
    from moto.server import ThreadedMotoServer

    # moto knows no conditions: by a policy that refuses what comes without TLS, it would refuse everything.
    unconditional = mock.patch.object(FakeBucket, "get_permission", return_value=PermissionResult.NEUTRAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with unconditional:
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield Aws(f"http://{host}:{port}")
        finally:
            server.stop()
