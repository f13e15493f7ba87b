from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import json_option


@click.command("tour")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("seedbed-tour"),
    show_default=True,
    help="Folder for the report, the drift report and the logs.",
)
@click.option("--keep", is_flag=True, help="Leave everything running, and say how to look at it.")
@json_option
def command(into: Path, keep: bool, as_json: bool) -> None:
    """Run the whole way on real data, from `new` to `down`.

    All 336,776 flights that left New York in 2013, month by month: generate the project, bring
    its environment up, version the data, train through the Kubeflow pipeline, serve, detect drift,
    retrain, roll back, take everything down and prove that nothing is left. It takes a few
    minutes, and about 10 more the first time; it needs no cloud account, cluster or Docker.

    \b
    Examples:
      seedbed tour
      seedbed tour --keep             look at MLflow, the service and the drift report
      seedbed tour --json | jq .model
    """
    from seedbed.cli.progress import shown
    from seedbed.cli.tour_screen import Screen
    from seedbed.errors import InfrastructureError
    from seedbed.tour import Options, run

    screen = Screen(quiet=as_json)
    with shown(quiet=as_json) as progress:
        report = run(Options(into, keep, progress, screen.step))
    if as_json and report.ok:
        output.emit(report.as_dict())
    elif not as_json:
        screen.summary(report)
        if report.ok and keep:
            screen.how_to_look(into)
    if not report.ok:
        failed = next((step.name for step in report.steps if not step.ok), "tour")
        raise InfrastructureError(
            f"The tour failed at '{failed}': {report.error}",
            hint=f"The commands' output is in {into / 'logs'}, the report in {into / 'report.json'}.",
            details={"report": report.as_dict()},
        )
