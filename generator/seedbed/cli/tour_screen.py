"""What a tour looks like while it runs, and its closing table."""

from __future__ import annotations

import json
from pathlib import Path

from seedbed.cli import output
from seedbed.tour.report import Report, StepResult
from seedbed.tour.steps import TAKE_DOWN


class Screen:
    """Prints a tour's steps and summary for a person."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def step(self, number: int, title: str, result: StepResult | None) -> None:
        """A step begins (no result) or has ended."""
        if self._quiet:
            return
        if result is None:
            output.line(f"{number}. {title}", bold=True, err=True)
        else:
            sign = "" if result.ok else "FAILED: "
            output.line(
                f"   {sign}{result.summary} ({result.seconds:.1f} s)", fg=None if result.ok else "red", err=True
            )

    def summary(self, report: Report) -> None:
        """The table of all steps, and the figures that count."""
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for column, justify in (("step", "left"), ("seconds", "right"), ("result", "left")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        for step in report.steps:
            table.add_row(step.name, f"{step.seconds:.1f}", "ok" if step.ok else "FAILED")
        table.add_row("all", f"{report.seconds:.1f}", "ok" if report.ok else "FAILED", style="bold")
        console = Console(highlight=False)
        console.print()
        console.print(table)
        for line in figures(report):
            console.print(line, markup=False, soft_wrap=True)

    def how_to_look(self, into: Path) -> None:
        """Where to look at a tour that was kept, and how to end it."""
        running = json.loads((into / "running.json").read_text(encoding="utf-8"))
        output.line("\nStill running:", bold=True)
        for name, where in running["look"].items():
            output.line(f"  {name:<16}{where}")
        output.line("Take it down with:", bold=True)
        output.line(f"  {running['down']}")


def figures(report: Report) -> list[str]:
    """One line for each part of the tour that has figures."""
    lines = []
    if model := report.model:
        lines.append(f"model     {model['metric']} {model['value']:.3f}, baseline {model['baseline']:.3f}")
    if serving := report.serving:
        lines.append(
            f"serving   {serving['requests']} requests, p50 {serving['p50_ms']} ms, p99 {serving['p99_ms']} ms, "
            f"{serving['errors']} errors"
        )
    if drift := report.drift:
        lines.append(f"drift     {drift['share']:.0%} of the columns drifted: {drift['report']}")
    if retraining := report.retraining:
        lines.append(f"retrained {retraining['decision']}")
    if any(step.name == TAKE_DOWN[0] for step in report.steps):
        lines.append(f"leftovers {', '.join(report.leftovers) or 'none'}")
    return lines
