"""Containers that a program declared, run as processes of this machine: their own arguments, variables and files."""

import contextlib
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

STOP_SECONDS = 30


def unpack(recorded, volumes, folder):
    """Lay out a pod's volumes below a folder; what is made at run time gets an empty one."""
    for volume in volumes:
        place = folder / "volumes" / volume["name"]
        place.mkdir(parents=True)
        if source := volume.get("secret"):
            content = recorded.find("Secret", source["secretName"])["stringData"]
        elif source := volume.get("configMap"):
            content = recorded.find("ConfigMap", source["name"])["data"]
        else:
            continue
        items = source.get("items") or [{"key": key, "path": key} for key in content]
        for item in items:
            file = place / item["path"]
            file.parent.mkdir(exist_ok=True)
            file.write_text(content[item["key"]])


class Container:
    """A container whose paths, programs and addresses are those of this machine.

    Args:
        declared: the container as the API server would get it.
        folder: where `unpack` has put the pod's volumes.
        replaced: text in arguments and variables → what stands in its place here.
    """

    def __init__(self, declared, folder, replaced=()):
        self.folder = folder
        mounts = {m["mountPath"]: str(folder / "volumes" / m["name"]) for m in declared["volumeMounts"]}
        self._replaced = {**dict(replaced), **mounts}
        self.command = [self._here(part) for part in [*declared.get("command", []), *declared.get("args", [])]]
        self.variables = {item["name"]: self._here(item["value"]) for item in declared.get("env", [])}

    def _here(self, text):
        # In one pass: what stands in a text's place may hold another one of them.
        longest_first = sorted(self._replaced, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda match: self._replaced[match[0]], text)

    def run(self, *before, cwd=None, env=None, timeout=120):
        """To its end; the output is one text."""
        return subprocess.run(
            [*before, *self.command], cwd=cwd or self.folder, env={**os.environ, **self.variables, **(env or {})},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    @contextlib.contextmanager
    def serving(self, *before, url, context=None, cwd=None, seconds=180):
        """Start it, wait until the probe's address answers 200, and stop it at the end."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*before, *self.command], cwd=cwd or self.folder, env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            wait(url, process, self.folder / "log", context, seconds)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(url, process, log: Path, context=None, seconds=180):
    """Until it answers; its log is the error's text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5, context=context) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"{url} doesn't answer:\n{log.read_text()[-3000:]}")
