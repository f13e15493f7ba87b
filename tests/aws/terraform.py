"""What a program declares on AWS, as Terraform's JSON: the same resources, arguments, references and order.

pulumi-aws is made from Terraform's provider: it writes names in camel case, makes those of lists plural and unwraps
blocks that occur at most once. This is the way back, led by the provider's own schema.
"""

import json
import re
from dataclasses import dataclass

from tests.aws.schema import UnknownError, matching

from mlops_platform import recording
from mlops_platform.partitions import Partition

# A value that only the provider can make is written like this while the program runs, and may end up inside of a
# longer text, such as a policy. An ARN has the parts of one, since the program may read its region.
_ADDRESS = r"(aws_[a-z0-9_]+\.[A-Za-z0-9_-]+\.[a-z0-9_.\[\]]+)"
_REFERENCE = re.compile(rf"(?:arn:[a-z-]+:recorded:[a-z0-9-]*:[0-9]*:)?@\{{{_ADDRESS}\}}")
_WHOLE = re.compile(r"\$\{(aws_[a-z0-9_]+\.[A-Za-z0-9_-]+\.[a-z0-9_]+)\}")
_PROVIDER = "pulumi:providers:aws"
# What runs on the cluster, and what the program makes itself; their tests are elsewhere.
_LEFT_OUT = ("kubernetes:", "pulumi-python:dynamic", "pulumi:providers:kubernetes")


@dataclass(frozen=True)
class Configuration:
    """An environment as Terraform's JSON.

    Attributes:
        json: of a file main.tf.json.
        left_out: what was declared beside it and is no resource of AWS's provider, as (type, name).
    """

    json: dict
    left_out: tuple

    @property
    def addresses(self):
        """Of all resources, such as "aws_s3_bucket.data"."""
        return {f"{kind}.{label}" for kind, found in self.json.get("resource", {}).items() for label in found}

    def without(self, beginnings):
        """The same without kinds whose names begin so, and without what needs a value of one of those."""
        kept = {(kind, label): one for kind, found in self.json["resource"].items() for label, one in found.items()}
        gone = {}
        while more := [key for key, one in kept.items() if key[0].startswith(beginnings) or _uses(one, gone)]:
            gone |= {".".join(key): kept.pop(key).get("depends_on", []) for key in more}
        found = {}
        for (kind, label), one in kept.items():
            found.setdefault(kind, {})[label] = {**one, "depends_on": _behind(one.get("depends_on", []), gone)}
        return Configuration({**self.json, "resource": found}, self.left_out)


def _uses(arguments, addresses):
    text = json.dumps({key: value for key, value in arguments.items() if key != "depends_on"})
    return any(f"${{{address}." in text for address in addresses)


def _behind(addresses, gone):
    """These addresses, but in place of each that is gone those that it waited for."""
    found, waiting = set(), [*addresses]
    while waiting:
        address = waiting.pop()
        if address in gone:
            waiting += gone[address]
        else:
            found.add(address)
    return sorted(found)


def references(schema, region):
    """Outputs for a recording, by which one resource's use of another's value stays visible.

    Args:
        schema: the provider's.
        region: of the ARNs.
    """
    arn = f"arn:{Partition.of(region).name}:recorded:{region}:123456789012:"

    def refer(block, address):
        texts = [name for name, type_ in block.attributes.items() if type_ == "string"]
        return {_camel(name): f"{arn * name.endswith('arn')}@{{{address}.{name}}}" for name in texts}

    def outputs(token, name, inputs):
        made = recording.placeholders(token, name, inputs)
        if not (kind := schema.kind(token)):
            return made
        block = schema.block(kind)
        made |= refer(block, f"{kind}.{_label(name)}")
        for key, value in inputs.items():
            if isinstance(value, dict) and (inner := block.blocks.get(block.find(key))):
                made[key] = {**refer(inner, f"{kind}.{_label(name)}.{block.find(key)}[0]"), **value}
        return made

    return outputs


def configuration(schema, resources):
    """Terraform's JSON of recorded resources.

    Args:
        schema: the provider's.
        resources: as the tests of the program record them, with URNs and dependencies.

    Raises:
        UnknownError: the provider has no such resource or argument.
    """
    by_urn = {r.urn: r for r in resources}
    kinds = {urn: schema.kind(r.type) for urn, r in by_urn.items() if r.custom and r.type.startswith("aws:")}
    if unknown := sorted({by_urn[urn].type for urn, kind in kinds.items() if not kind}):
        raise UnknownError(f"{', '.join(unknown)}: not in schema.json; python -m tests.aws.schema writes it anew")
    found = {}
    for urn, kind in kinds.items():
        resource = by_urn[urn]
        label, block = _label(resource.name), schema.block(kind)
        if label in found.setdefault(kind, {}):
            raise UnknownError(f"two resources of the kind {kind} are called {label}: a reference would be to either")
        found[kind][label] = _arguments(block, resource.inputs)
        if before := sorted(_before(resource, by_urn, kinds)):
            found[kind][label]["depends_on"] = before
    # Resources are recorded in the order in which their inputs happened to be known.
    resolved = {
        kind: {label: _resolved(one, found) for label, one in sorted(of.items())} for kind, of in sorted(found.items())
    }
    providers = [r for r in resources if r.type == _PROVIDER]
    if len(providers) != 1:
        raise UnknownError(f"{len(providers)} providers of AWS are declared, and one is expected")
    connection = {name: _parsed(value) for name, value in providers[0].inputs.items()}
    rest = [r for r in resources if r.custom and r.urn not in kinds and r.type != _PROVIDER]
    if unknown := sorted({r.type for r in rest if not r.type.startswith(_LEFT_OUT)}):
        raise UnknownError(f"{', '.join(unknown)}: neither of AWS nor known to be of something else")
    left_out = tuple(sorted((r.type, r.name) for r in rest))
    return Configuration({"provider": {"aws": _arguments(schema.provider, connection)}, "resource": resolved}, left_out)


def _resolved(value, found):
    """A value in which a reference to somebody's copy of something is one to the thing itself.

    The program hands names from one resource to the next, so that they wait for each other. The scanner only knows to
    whom a setting belongs if it refers to that.
    """

    def origin(reference):
        while match := _WHOLE.fullmatch(reference):
            kind, label, attribute = match[1].split(".")
            behind = found[kind][label].get(attribute)
            if not isinstance(behind, str) or not _WHOLE.fullmatch(behind):
                break
            reference = behind
        return reference

    if isinstance(value, dict):
        return {key: _resolved(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, found) for item in value]
    return _WHOLE.sub(lambda match: origin(match[0]), value) if isinstance(value, str) else value


def _before(resource, by_urn, kinds):
    """Addresses of what the engine makes first; what is left out stands for what it depends on itself."""
    seen, open_ = set(), [*resource.dependencies]
    while open_:
        urn = open_.pop()
        if urn in seen or urn == resource.urn or urn not in by_urn:
            continue
        seen.add(urn)
        if urn in kinds:
            yield f"{kinds[urn]}.{_label(by_urn[urn].name)}"
        else:
            open_ += by_urn[urn].dependencies


def _arguments(block, inputs):
    made = {}
    for name, value in inputs.items():
        found = block.find(name)
        if found in block.blocks:
            inner, several = block.blocks[found], value if isinstance(value, list) else [value]
            made[found] = [_arguments(inner, one) for one in several]
        else:
            made[found] = _value(block.attributes[found], value)
    return made


def _value(type_, value):
    """A value of an attribute; only the keys of objects are names of the provider's, those of maps are the program's."""
    if isinstance(type_, str):
        return _text(value) if isinstance(value, str) else value
    outer, inner = type_
    if outer == "object":
        return {matching(key, inner): _value(inner[matching(key, inner)], item) for key, item in value.items()}
    if outer == "map":
        return {_text(key): _value(inner, item) for key, item in value.items()}
    return [_value(inner, item) for item in (value if isinstance(value, list) else [value])]


def _text(value):
    """A text that means itself, but for the references in it: both of Terraform's templates are escaped."""
    escaped = value.replace("${", "$${").replace("%{", "%%{")
    return _REFERENCE.sub(r"${\1}", escaped)


def _parsed(value):
    """An input of a provider, which the engine is handed as the JSON of it unless it is a text."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _label(name):
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _camel(name):
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))
