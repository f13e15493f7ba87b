"""What the tests supervise: answers /healthz on a port, or misbehaves as its arguments say."""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        if "vague" not in modes:
            self.wfile.write(b"I am well, thank you")

    def log_message(self, *arguments):
        pass


modes = set(sys.argv[2:])
sys.stdout.write("tiny server says hello\n")
sys.stdout.flush()
if "fail" in modes:
    sys.exit("there is no bread in the house")
if "deaf" in modes:
    time.sleep(60)
if "stubborn" in modes:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "children" in modes:
    subprocess.Popen(["sleep", "60"], start_new_session=True)
if "variables" in modes:
    sys.stdout.write(f"{sorted(os.environ)}\n")
    sys.stdout.flush()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
