"""The program that the engine starts: it prints its port, and ends with the engine."""

import os
import signal
import sys
import time
from concurrent import futures

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc
from tests.cluster.standin.provider import Provider, version


def main():
    # The engine's person pressed Ctrl-C; the engine then asks its providers to cancel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    engine = os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(version()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while os.getppid() == engine:  # an engine that was killed can't stop it
        time.sleep(0.5)
    server.stop(0)


main()
