"""The stand-in itself: each call of the engine as requests to the API server."""

import json
import os
import threading
import traceback
from pathlib import Path

import grpc
import yaml
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from tests.cluster.api import Api, ApiError, UnreachableError, wait
from tests.cluster.standin import readiness, replacement, values

MANAGER = "pulumi-kubernetes"
_SECONDS = 120
_UNREACHABLE_SETTING = "PULUMI_K8S_DELETE_UNREACHABLE"
_KINDS = {"add": "ADD", "delete": "DELETE", "update": "UPDATE"}


class NotReadyError(Exception):
    """An object was made or changed, and did not get ready: the engine has to remember it all the same."""

    def __init__(self, live, reason):
        super().__init__(reason)
        self.live = live


def _answering(call):
    """Errors as the engine shows them: those of the cluster as a line, those of this program with their trace."""

    def answer(self, request, context):
        try:
            return call(self, request, context)
        except (ApiError, UnreachableError, TimeoutError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:
            if not isinstance(error, grpc.RpcError) and type(error) is not Exception:
                context.abort(grpc.StatusCode.INTERNAL, traceback.format_exc())
            raise  # what `abort` raises is a bare Exception, on its way out

    return answer


# The names of its methods are the protocol's.
# ruff: noqa: N802
class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider of one configured cluster."""

    def __init__(self, version):
        self._version = version
        self._config, self._api, self._unreachable = {}, None, ""
        self._cancelled = threading.Event()

    def Handshake(self, _request, _context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, _request, _context):
        return plugin_pb2.PluginInfo(version=self._version)

    def Cancel(self, _request, _context):
        self._cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request, _context):
        return provider_pb2.CheckResponse(inputs=request.news)

    @_answering
    def DiffConfig(self, request, _context):
        old, new = (values.load(part)[0] for part in (request.old_inputs, request.news))
        changed = sorted({path[0] for path, _ in values.paths(old, new)} - {"version"})
        # Another cluster has none of the objects: all are made anew there. A kubeconfig that isn't kept says nothing.
        moved = _active_cluster(old) != _active_cluster(new)
        response = provider_pb2.DiffResponse
        some = response.DIFF_SOME if changed else response.DIFF_NONE
        return response(changes=some, diffs=changed, replaces=changed if moved else [])

    @_answering
    def Configure(self, request, _context):
        self._config = values.load(request.args)[0]
        try:
            self._api = Api(self._config.get("kubeconfig") or None, self._config.get("context"))
            self._api.request("GET", "/version")
        except (UnreachableError, ApiError) as error:
            self._unreachable = str(error)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_answering
    def Check(self, request, _context):
        inputs, _ = values.load(request.news)
        failures = []
        if not inputs.get("metadata", {}).get("name"):
            reason = "the stand-in makes up no names: give the object one"
            failures.append(provider_pb2.CheckFailure(property="metadata.name", reason=reason))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answering
    def Diff(self, request, _context):
        self._require_cluster()
        old, new = (values.load(part)[0] for part in (request.old_inputs, request.news))
        response = provider_pb2.DiffResponse(deleteBeforeReplace=True, hasDetailedDiff=True)
        for path, change in values.paths(old, new):
            replace = replacement.needed(new, path, self._config)
            text = _property(path)
            response.diffs.append(str(path[0]))
            if replace:
                response.replaces.append(text)
            kind = _KINDS[change] + ("_REPLACE" if replace else "")
            response.detailedDiff[text].kind = provider_pb2.PropertyDiff.Kind.Value(kind)
            response.detailedDiff[text].inputDiff = True
        response.changes = response.DIFF_SOME if response.diffs else response.DIFF_NONE
        return response

    @_answering
    def Create(self, request, context):
        return self._apply(request, request.properties, context, provider_pb2.CreateResponse)

    @_answering
    def Update(self, request, context):
        return self._apply(request, request.news, context, provider_pb2.UpdateResponse)

    def _apply(self, request, news, context, response):
        self._require_cluster()
        manifest, secrets = values.load(news)
        identity = {"id": _identity(manifest)} if response is provider_pb2.CreateResponse else {}
        if request.preview:
            if not values.has_unknown(manifest):
                self._rehearse(manifest)
            return response(**identity, properties=news)
        try:
            live = self._await(manifest, request.timeout or _SECONDS)
        except NotReadyError as error:
            name = _identity(manifest)
            reason = f"{manifest['kind']} {name} failed to become live: {error}"
            _abort_partially(context, name, dump(error.live, secrets), news, reason)
        return response(**identity, properties=dump(live, secrets))

    def _rehearse(self, manifest):
        try:
            self._api.apply(manifest, manager=MANAGER, dry_run=True)
        except ApiError as error:
            if error.status != 404:  # its namespace or its kind comes with the same update
                raise

    def _await(self, manifest, seconds):
        self._api.apply(manifest, manager=MANAGER)
        path = self._api.path_of(manifest)
        reason = ""

        def ready():
            nonlocal reason
            live = self._api.get_path(path)
            if live is None:
                raise ApiError(404, f"{path} was deleted while waiting for it")
            try:
                reason = readiness.missing(self._api, live)
            except readiness.FailedError as error:
                raise NotReadyError(live, str(error)) from None
            if reason and self._cancelled.is_set():
                raise NotReadyError(live, f"canceled while waiting: {reason}")
            return not reason and live

        try:
            return wait(ready, seconds)
        except TimeoutError:
            live = self._api.get_path(path)
            raise NotReadyError(live, f"not ready after {seconds:.0f} s: {reason}") from None

    @_answering
    def Read(self, request, _context):
        if self._unreachable and self._forgets():
            return provider_pb2.ReadResponse()
        self._require_cluster()
        inputs, secrets = values.load(request.inputs)
        recorded, also_secret = values.load(request.properties)
        api_version, kind = _kind(request.urn, inputs or recorded)
        namespace, _, name = request.id.rpartition("/")
        try:
            live = self._api.get(api_version, kind, name, namespace or "default")
        except ApiError as error:
            if error.status != 404:
                raise
            live = None  # its kind went with the definition
        if live is None:
            return provider_pb2.ReadResponse()
        live = _trimmed(live)
        found = values.merge_drift(inputs, recorded, live) if inputs else live
        return provider_pb2.ReadResponse(
            id=request.id, properties=dump(live, secrets | also_secret), inputs=dump(found, secrets)
        )

    @_answering
    def Delete(self, request, _context):
        if self._unreachable and self._forgets():
            return empty_pb2.Empty()
        self._require_cluster()
        recorded, _ = values.load(request.properties)
        api_version, kind = _kind(request.urn, recorded)
        namespace, _, name = request.id.rpartition("/")
        try:
            path = self._api.path(api_version, kind, name, namespace or "default")
        except ApiError as error:
            if error.status == 404:  # its kind is gone, and all objects of it
                return empty_pb2.Empty()
            raise
        self._api.delete(path, seconds=request.timeout or _SECONDS, stop=self._cancelled.is_set)
        return empty_pb2.Empty()

    def _require_cluster(self):
        if self._unreachable:
            raise UnreachableError(self._unreachable)

    def _forgets(self):
        return "true" in (self._config.get("deleteUnreachable"), os.environ.get(_UNREACHABLE_SETTING, "").lower())


def dump(live, secrets):
    """What the state keeps of an object: a Secret's content is secret under whichever name the server has it."""
    live = _trimmed(live)
    if live.get("kind") == "Secret":
        secrets = {path for path in secrets if path[:1] not in {("data",), ("stringData",)}} | {
            ("data",),
            ("stringData",),
        }
    return values.dump(live, secrets)


def version():
    """The version of the SDK beside it, which the real provider would have too."""
    import pulumi_kubernetes

    return json.loads(Path(pulumi_kubernetes.__file__).with_name("pulumi-plugin.json").read_text())["version"]


def _active_cluster(config):
    """Server and certificates of the cluster that a provider's own kubeconfig names; None without one."""
    given = config.get("kubeconfig", "")
    try:
        content = yaml.safe_load(Path(given).read_text(encoding="utf-8") if "\n" not in given else given)
        contexts = {row["name"]: row["context"]["cluster"] for row in content["contexts"]}
        name = contexts[config.get("context") or content["current-context"]]
        return next(row["cluster"] for row in content["clusters"] if row["name"] == name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration, yaml.YAMLError):
        return None


def _trimmed(live):
    metadata = {key: value for key, value in live.get("metadata", {}).items() if key != "managedFields"}
    return {**live, "metadata": metadata}


def _identity(manifest):
    metadata = manifest["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))


def _kind(urn, manifest):
    if "kind" in manifest:
        return manifest["apiVersion"], manifest["kind"]
    _, api_version, kind = urn.split("::")[2].rpartition("$")[2].split(":")
    return api_version.removeprefix("core/"), kind


def _property(path):
    text = ""
    for part in path:
        plain = isinstance(part, str) and part.replace("_", "a").isalnum()
        text += f".{part}" if plain else f"[{json.dumps(part)}]"
    return text.removeprefix(".")


def _abort_partially(context, identity, properties, inputs, reason):
    detail = any_pb2.Any()
    failed = provider_pb2.ErrorResourceInitFailed(id=identity, properties=properties, reasons=[reason], inputs=inputs)
    detail.Pack(failed)
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=reason, details=[detail])
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(code, reason)
