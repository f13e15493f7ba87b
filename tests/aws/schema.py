"""What the provider takes: names, types and nesting of all that an environment declares, kept in schema.json.

The file is the provider's own answer, cut down to the kinds of resource that are in use, so that the Terraform JSON can
be made where the provider isn't built. `python -m tests.aws.schema` writes it anew; a test compares the two.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.aws import provider

FILE = Path(__file__).with_name("schema.json")
_ADDRESS = "registry.terraform.io/hashicorp/aws"
# "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule" is a module, a file in it and a kind.
_TOKEN_PARTS = 3


class UnknownError(Exception):
    """Something is declared that the schema doesn't know."""


@dataclass(frozen=True)
class Block:
    """A resource, or a block in one.

    Attributes:
        attributes: name → type, as Terraform writes types: "string", ["list", "string"], ["object", {…}].
        blocks: name → block.
    """

    attributes: dict
    blocks: dict

    @classmethod
    def of(cls, kept):
        """From the file."""
        return cls(kept["attributes"], {name: cls.of(block) for name, block in kept["blocks"].items()})

    def find(self, name):
        """The provider's name of an argument of Pulumi's, which is in camel case, and plural where it takes several.

        Raises:
            UnknownError: there is none.
        """
        return matching(name, [*self.attributes, *self.blocks])


def matching(name, known):
    """The name among the known ones that Pulumi made this one from.

    Raises:
        UnknownError: there is none.
    """
    by_spelling = {_spelling(candidate): candidate for candidate in known}
    for spelling in (name.lower(), *_singulars(name.lower())):
        if spelling in by_spelling:
            return by_spelling[spelling]
    raise UnknownError(f"{name} is none of {', '.join(sorted(known))}")


def _spelling(name):
    return name.replace("_", "").lower()


def _singulars(word):
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]


class Schema:
    """What the provider takes.

    Args:
        kept: what the file holds.
    """

    def __init__(self, kept):
        self.provider = Block.of(kept["provider"])
        self._kinds = {_spelling(name): name for name in kept["resources"]}
        self._resources = {name: Block.of(block) for name, block in kept["resources"].items()}

    def kind(self, token):
        """The provider's name of a kind of resource, from Pulumi's token of it; None: it has no such kind."""
        package, *rest = token.replace("/", ":").split(":")
        if package != "aws" or len(rest) < _TOKEN_PARTS:
            return None
        module, _, name = rest
        return self._kinds.get(f"aws{module}{name}".lower()) or self._kinds.get(f"aws{name}".lower())

    def block(self, kind):
        """What a kind of resource takes."""
        return self._resources[kind]


def load():
    """The schema in the file."""
    return Schema(json.loads(FILE.read_text(encoding="utf-8")))


def ask(program):
    """The provider's whole schema, in the file's form.

    Args:
        program: path of the provider.
    """
    from tests.aws import terraform_cli

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.tf.json").write_text('{"provider": {"aws": {}}}')
        answer = terraform_cli.Terraform(Path(folder), program).run("providers", "schema", "-json")
    found = json.loads(answer)["provider_schemas"][_ADDRESS]
    resources = {name: _kept(schema["block"]) for name, schema in found["resource_schemas"].items()}
    connection = _kept(found["provider"]["block"])
    del connection["blocks"]["endpoints"]  # as long as all the rest, and the program asks AWS's own
    return {"provider": connection, "resources": resources}


def _kept(block):
    attributes = {name: _type(attribute) for name, attribute in block.get("attributes", {}).items()}
    blocks = {name: _kept(nested["block"]) for name, nested in block.get("block_types", {}).items()}
    return {"attributes": attributes, "blocks": blocks}


def _type(attribute):
    if "type" in attribute:
        return attribute["type"]
    nested = attribute["nested_type"]
    inner = ["object", {name: _type(one) for name, one in nested["attributes"].items()}]
    return inner if nested["nesting_mode"] == "single" else [nested["nesting_mode"], inner]


def text(whole, tokens):
    """The file's text for these kinds of resource."""
    schema = Schema(whole)
    kinds = sorted(filter(None, {schema.kind(token) for token in tokens}))
    kept = {"provider": whole["provider"], "resources": {kind: whole["resources"][kind] for kind in kinds}}
    return json.dumps(kept, indent=1, sort_keys=True) + "\n"


def main():
    """Write the file anew."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "infra"))
    from tests.aws import environments

    program = provider.obtain(lambda line: sys.stderr.write(f"{line}\n"))
    FILE.write_text(text(ask(program), environments.tokens()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
