from __future__ import annotations

from pathlib import Path

import click

from seedbed.cli import output
from seedbed.cli.options import environment_argument, json_option, project_option


@click.command("status")
@environment_argument
@project_option
@json_option
def command(env: str, project: Path | None, as_json: bool) -> None:
    """Show what an environment runs and whether it is alive.

    On this machine these are processes, on a cluster Deployments, StatefulSets and Jobs.

    \b
    Examples:
      seedbed status dev
      seedbed status dev --json | jq .healthy
    """
    from seedbed.cli.progress import shown
    from seedbed.environments import operations
    from seedbed.environments.project import find_project

    found = find_project(project)
    with shown(quiet=True) as progress:
        status = operations.status(found, env, progress)
    if as_json:
        output.emit(
            {
                "environment": env,
                "target": status.target,
                "healthy": status.healthy,
                "resources": status.resources,
                "processes": status.running.processes,
                "workloads": status.running.workloads,
                "outputs": status.outputs,
            }
        )
        return
    verdict = "up" if status.healthy else "damaged"
    output.line(f"Environment {env} ({status.target}) is {verdict}: {status.resources} resources", bold=True)
    for process in status.running.processes:
        state = "alive" if process["alive"] else "DEAD"
        where = f"pid {process['pid']}, port {process['port']}"
        output.line(f"  {process['name']:<20}{state:<8}{where}", fg=None if process["alive"] else "red")
    names = [f"{workload['namespace']}/{workload['name']}" for workload in status.running.workloads]
    width = max(map(len, names), default=0)
    for name, workload in zip(names, status.running.workloads, strict=True):
        ready = f"{workload['ready']}/{workload['wanted']}"
        output.line(
            f"  {workload['kind']:<13}{name:<{width}}  {ready:<7}{workload['reason']}".rstrip(),
            fg=None if workload["healthy"] else "red",
        )
    for key, value in sorted(status.outputs.items()):
        output.line(f"  {key:<22}{value}")
    if not status.healthy:
        if status.running.workloads:
            output.line(f"Next: correct the causes above; `seedbed up {env}` brings back what is gone.")
        else:
            output.line(f"Next: `seedbed up {env}` starts what is dead; its data is kept.")
