"""checkov over Terraform's JSON of an environment."""

import json
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

from tests.cluster.checkov import Finding, Waiver, program

__all__ = ["Finding", "Waiver", "program", "scan", "waivers"]

# Kinds stand two levels deep, and an indentation is one blank.
_KIND = re.compile(r'  "(aws_\w+)": \{')
WAIVERS = Path(__file__).with_name("checkov_waivers.toml")


def waivers():
    """All exceptions, each with its reason; `kinds` and `names` are Terraform's of the resource."""
    rows = tomllib.loads(WAIVERS.read_text(encoding="utf-8"))["waiver"]
    return [Waiver(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows]


def scan(checkov, configuration):
    """All findings in a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(configuration.json, indent=1)
        Path(folder, "main.tf.json").write_text(text, encoding="utf-8")
        command = [checkov, "--directory", folder, "--framework", "terraform_json", "--output", "json", "--compact"]
        done = subprocess.run(
            [*command, "--soft-fail", "--quiet", "--skip-download"],
            capture_output=True, text=True, timeout=300, check=False, cwd=folder,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report
    assert report["summary"]["passed"] > 0, report["summary"]
    return [_finding(item, text.splitlines()) for item in report["results"]["failed_checks"]]


def _finding(item, lines):
    """A finding. In JSON, checkov often calls a resource by its name without its kind, which stands before it."""
    _, _, name = item["resource"].partition(".")
    before = reversed(lines[: item["file_line_range"][0]])
    kind = next(match[1] for line in before if (match := _KIND.match(line)))
    return Finding(item["check_id"], kind, name, f"{item['check_id']} {item['check_name']}: {kind}.{name}")
