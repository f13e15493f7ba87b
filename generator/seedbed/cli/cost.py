from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedbed.cli import output
from seedbed.cli.options import Positive, environment_argument, json_option, project_option

if TYPE_CHECKING:
    from seedbed.environments.aws.cost import Estimate, Line
    from seedbed.environments.project import Project


@click.command("cost")
@environment_argument
@project_option
@click.option("--hours", type=Positive(1e6), default=None, help="Also say what so many hours cost.")
@click.option("-v", "--verbose", is_flag=True, help="Show each price's date and source too.")
@json_option
def command(env: str, project: Path | None, hours: float | None, verbose: bool, as_json: bool) -> None:
    """Say what an environment costs, an hour and a month.

    It needs neither network nor account: the resources that `up` would make, times a table of AWS's list prices that
    comes with seedbed. What is not in the sum is said.

    \b
    Examples:
      seedbed cost prod
      seedbed cost demo --hours 8
      seedbed cost prod --json | jq .month
    """
    from seedbed.environments.project import find_project
    from seedbed.environments.stack_config import environment_of

    found = find_project(project)
    environment = environment_of(found.spec, env)
    duration = None if hours is None else Decimal(str(hours))
    if environment.target == "aws":
        _on_aws(found, env, duration, verbose=verbose, as_json=as_json)
    elif environment.target == "kubernetes":
        _on_a_cluster(found, env, duration, as_json=as_json)
    elif as_json:
        costs = {"environment": env, "target": "local", "currency": "USD", "hour": 0.0, "month": 0.0}
        output.emit(costs | _for_so_long(duration, Decimal(0)))
    else:
        output.line(f"Environment {env} runs on this machine and costs nothing: $0.00 a month", bold=True)


@dataclass(frozen=True)
class Costs:
    """What an environment costs, in short.

    Attributes:
        figures: as `--json` shows them.
        excess: that this is more than its budget, in words; empty when it isn't.
    """

    figures: dict[str, Any]
    excess: str


def announce(project: Project, env: str, *, before: bool, quiet: bool) -> Costs | None:
    """Say in a line what an environment on AWS costs, and warn when that is more than its budget.

    Args:
        project: whose environment.
        env: its name; elsewhere than on AWS nothing is looked at.
        before: it is said before the work, among the progress on stderr.
        quiet: nothing is printed.

    Returns:
        The same as data; None where it is not known.
    """
    from seedbed.environments.stack_config import environment_of

    if environment_of(project.spec, env).target != "aws":
        return None
    from seedbed.environments.aws import cost
    from seedbed.errors import InfrastructureError

    try:
        estimate = cost.estimate(project, env)
    except InfrastructureError as error:
        # An infra/ of another version may work well and only not know the question.
        if not quiet:
            output.line(f"Note: what it costs is not known. {error.message}", err=True)
        return None
    if not quiet:
        on_top = " and what is used" if estimate.by_use else ""
        output.line(
            f"Cost: about ${estimate.month:,.2f} a month{on_top} ({_whose(estimate)});"
            f" `seedbed cost {env}` says of what",
            err=before,
        )
        _warn(estimate)
    return Costs(estimate.summary(), estimate.excess)


def _on_aws(project: Project, env: str, hours: Decimal | None, *, verbose: bool, as_json: bool) -> None:
    from seedbed.environments.aws import cost
    from seedbed.environments.aws.scope import ENVIRONMENT_TAG
    from seedbed.environments.stack_config import environment_of

    estimate = cost.estimate(project, env)
    environment = environment_of(project.spec, env)
    if as_json:
        described = {"environment": env, "target": "aws", "variant": environment.variant, **estimate.as_dict()}
        warnings = [estimate.excess] if estimate.excess else []
        total = None if hours is None else estimate.of(hours)
        output.emit(described | _for_so_long(hours, total) | {"warnings": warnings})
        return
    size = f", {environment.size}" if environment.variant == "platform" else ""
    output.line(
        f"Environment {env} (aws, {environment.region}, {environment.variant}{size}) costs about"
        f" ${estimate.month:,.2f} a month",
        bold=True,
    )
    _table(estimate, hours, verbose=verbose)
    _list("On top, by use", (f"{price.name}: {price}" for price in estimate.by_use))
    _list("Not priced", (f"{count} x {kind}" for kind, count in estimate.not_priced.items()))
    _list("Assumed", estimate.assumed)
    _list("Not counted", estimate.not_counted)
    output.line(f"Prices: {_whose(estimate)}, gathered {estimate.gathered}; -v shows where each is from.")
    if estimate.budget:
        output.line(
            f"The alarm at ${estimate.budget:,.2f} counts from when the tag {ENVIRONMENT_TAG} is activated for"
            " billing, once for an organization: aws ce update-cost-allocation-tags-status"
            f" --cost-allocation-tags-status TagKey={ENVIRONMENT_TAG},Status=Active"
        )
    _warn(estimate)


def _for_so_long(hours: Decimal | None, total: Decimal | None) -> dict[str, Any]:
    """What --hours adds to --json; a total that isn't known is null."""
    if hours is None:
        return {}
    return {"hours": float(hours), "total": None if total is None else float(round(total, 6))}


def _warn(estimate: Estimate) -> None:
    if estimate.excess:
        output.line(f"Warning: {estimate.excess}", fg="yellow", err=True)


def _table(estimate: Estimate, hours: Decimal | None, *, verbose: bool) -> None:
    left = [["resource", "count", "price"]]
    right = [["per hour", "per month"] + ([] if hours is None else [f"{hours.normalize():f} hours"])]
    sources = [["as of", "source"] if verbose else []]
    for line in estimate.lines:
        left.append([line.price.name, f"{line.count.normalize():f} {line.price.unit}".rstrip(), str(line.price)])
        right.append(_figures(line, hours))
        sources.append([line.price.as_of, line.price.source] if verbose else [])
    left.append(["Total", "", ""])
    right.append(_figures(estimate, hours))
    sources.append(["", ""] if verbose else [])
    cells = [_padded(left, str.ljust), _padded(right, str.rjust), _padded(sources, str.ljust)]
    for number, row in enumerate(zip(*cells, strict=True)):
        output.line(f"  {'  '.join(row)}".rstrip(), bold=number == len(estimate.lines) + 1)


def _figures(costs: Line | Estimate, hours: Decimal | None) -> list[str]:
    figures = [f"{costs.hour:,.4f}", f"{costs.month:,.2f}"]
    return figures if hours is None else [*figures, f"{costs.of(hours):,.2f}"]


def _padded(rows: list[list[str]], justify: Callable[[str, int], str]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(justify, row, widths)) for row in rows]


def _list(title: str, items: Iterable[str]) -> None:
    found = list(items)
    if found:
        output.line(f"{title}:")
    for item in found:
        output.line(f"  - {item}")


def _whose(estimate: Estimate) -> str:
    prices = f"list prices of {estimate.prices_of}"
    return prices if estimate.region == estimate.prices_of else f"{prices}, {estimate.region}'s differ"


def _on_a_cluster(project: Project, env: str, hours: Decimal | None, *, as_json: bool) -> None:
    from seedbed.environments.cluster import demand, requests

    workloads = demand.ask(project, env).workloads
    asked, volumes = requests.total(workloads), requests.volumes(workloads)
    if as_json:
        needs = {
            "cpu": float(asked.cpu), "memory_gib": float(asked.memory / requests.GIB), "storage_gib": float(volumes),
            "workloads": [vars(workload) for workload in workloads],
        }  # fmt: skip
        output.emit(
            {
                "environment": env,
                "target": "kubernetes",
                "currency": "USD",
                "hour": None,
                "month": None,
                "demand": needs,
                **_for_so_long(hours, None),
            }
        )
        return
    output.line(f"Environment {env} runs on your cluster: seedbed doesn't know its prices", bold=True)
    output.line(f"  It asks for {asked}, and for {volumes.normalize():f} GiB of volumes.")
