"""What an environment consists of, without an engine, an account or a network: `python -m mlops_platform.recording`.

Reads {"stack": NAME, "config": {KEY: VALUE}} from standard input and writes the resources that the program declares as
JSON, so that what they cost can be said before anything is made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pulumi

from mlops_platform import settings, targets
from mlops_platform.errors import PlatformError

# How Pulumi marks a secret among the values that it hands to a provider.
_SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - a name
Outputs = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Declared:
    """A resource as the program declares it.

    Attributes:
        type: Pulumi's token, such as "aws:s3/bucket:Bucket".
        name: Pulumi's name of it.
        inputs: under the names that its provider knows; secrets as they are.
    """

    type: str
    name: str
    inputs: dict[str, Any]


def plain(value: Any) -> Any:
    """A recorded input without the wrapping of secrets, and with whole numbers as such."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return plain(value["value"]) if _SECRET_MARK in value else {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class Recorder(pulumi.runtime.Mocks):
    """Takes the engine's place: keeps what is registered, and answers with the inputs and what `outputs` makes up.

    Args:
        outputs: gives the values that a provider would have made, for a type, a name and inputs.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self.declared: list[Declared] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Keep it."""
        inputs = plain(args.inputs)
        if args.custom:
            self.declared.append(Declared(args.typ, args.name, inputs))
        made = {"id": f"{args.name}-id", **self._outputs(args.typ, args.name, inputs)}
        return str(made.pop("id")), {**args.inputs, **made}

    def call(self, _args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Nothing of the program asks a provider anything."""
        return {}, None


def record(program: Callable[[], object], *, stack: str, outputs: Outputs) -> list[Declared]:
    """Run a function that declares resources, and give what it declares.

    Args:
        program: the function.
        stack: the stack's name.
        outputs: see `Recorder`.
    """
    recorder = Recorder(outputs)
    pulumi.runtime.set_mocks(recorder, project="mlops-platform", stack=stack, preview=False)
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return recorder.declared


def placeholders(type_: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Values in place of those that only a provider can make; recognizable, and of the right kind.

    Args:
        type_: the resource's.
        name: the resource's.
        inputs: its own.
    """
    made: dict[str, Any] = {
        "arn": f"arn:aws:recorded:::{name}",
        "name": name,
        "value": f"{name}-value",
        "url": f"https://{name}.invalid",
    }
    made = {key: value for key, value in made.items() if key not in inputs}
    if type_.startswith("aws:eks/cluster:"):
        network = {**inputs["vpcConfig"], "clusterSecurityGroupId": f"{name}-security-group"}
        made |= {"endpoint": f"https://{name}.invalid", "certificateAuthority": {"data": ""}, "vpcConfig": network}
    return made


def main() -> int:
    """Answer one question; a value that won't do is an answer too, and exit code 3."""
    question = json.load(sys.stdin)
    try:
        chosen = settings.load(question["config"].get, stack=question["stack"], directory=Path(__file__).parents[1])
        found = record(lambda: targets.build(chosen), stack=question["stack"], outputs=placeholders)
    except PlatformError as error:
        json.dump({"problem": error.problem, "remedy": error.remedy}, sys.stdout)
        return 3
    json.dump([asdict(resource) for resource in found], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
