"""Property values as the engine sends them: secrets wrapped, numbers as floats, what isn't known yet as a mark."""

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.rpc import UNKNOWN, _special_secret_sig, _special_sig_key

__all__ = ["UNKNOWN", "dump", "has_unknown", "load", "merge_drift", "paths"]


def load(struct):
    """The plain value, and the paths in it that are secret."""
    secrets = set()
    return _plain(json_format.MessageToDict(struct), (), secrets), secrets


def _plain(value, path, secrets):
    if isinstance(value, dict):
        if value.get(_special_sig_key) == _special_secret_sig:
            secrets.add(path)
            return _plain(value["value"], path, secrets)
        return {key: _plain(item, (*path, key), secrets) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item, (*path, index), secrets) for index, item in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def dump(value, secrets=frozenset()):
    """A Struct for the engine, with what is at the secret paths wrapped."""
    return json_format.ParseDict(_wrapped(value, (), secrets), struct_pb2.Struct())


def _wrapped(value, path, secrets):
    if isinstance(value, dict):
        value = {key: _wrapped(item, (*path, key), secrets) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_wrapped(item, (*path, index), secrets) for index, item in enumerate(value)]
    return {_special_sig_key: _special_secret_sig, "value": value} if path in secrets and path else value


def has_unknown(value):
    """Whether any part is known only after an update."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    return any(map(has_unknown, value)) if isinstance(value, list) else value == UNKNOWN


def paths(old, new, path=()):
    """Each path at which two values differ, with "add", "delete" or "update"."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in old or key not in new:
                yield (*path, key), "add" if key in new else "delete"
            else:
                yield from paths(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from paths(one, other, (*path, index))
    elif old != new:
        yield path, "update"


def merge_drift(inputs, recorded, live):
    """The inputs that would have led to the live object: the old ones, but for what somebody changed since.

    What the server merely writes another way (`1024Mi` as `1Gi`) was so when it was recorded, and is no change.
    """
    if isinstance(inputs, dict) and isinstance(recorded, dict) and isinstance(live, dict):
        return {
            key: merge_drift(value, recorded.get(key), live.get(key))
            for key, value in inputs.items()
            if key in live or key not in recorded
        }
    lists = (inputs, recorded, live)
    if all(isinstance(item, list) for item in lists) and len(set(map(len, lists))) == 1:
        return [merge_drift(*items) for items in zip(*lists, strict=True)]
    return inputs if recorded == live else live
