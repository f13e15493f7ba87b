"""A small artifact in a container registry, by the distribution API alone: no Docker is needed."""

import hashlib
import json
import urllib.parse
import urllib.request

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"


def push(registry, name, tag, content):
    """Store `content` as the one layer of an artifact; gives the manifest's digest."""
    layers = []
    for body, media_type in ((b"{}", _EMPTY), (content, "application/octet-stream")):
        digest = _digest(body)
        with _request("POST", f"http://{registry}/v2/{name}/blobs/uploads/", b"") as response:
            place = urllib.parse.urljoin(f"http://{registry}", response.headers["Location"])
        _request("PUT", f"{place}&digest={digest}", body, "application/octet-stream").close()
        layers.append({"mediaType": media_type, "digest": digest, "size": len(body)})
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": layers[0], "layers": layers[1:]}
    body = json.dumps(manifest).encode()
    _request("PUT", f"http://{registry}/v2/{name}/manifests/{tag}", body, _MANIFEST).close()
    return _digest(body)


def pull(registry, name, tag):
    """The manifest's digest, and the content of its one layer."""
    with _request("GET", f"http://{registry}/v2/{name}/manifests/{tag}", accept=_MANIFEST) as response:
        manifest = response.read()
    layer = json.loads(manifest)["layers"][0]["digest"]
    with _request("GET", f"http://{registry}/v2/{name}/blobs/{layer}") as response:
        return _digest(manifest), response.read()


def _request(method, url, body=None, kind=None, accept="*/*"):
    headers = {"Accept": accept, **({"Content-Type": kind} if kind else {})}
    return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30)


def _digest(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
