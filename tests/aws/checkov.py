"""checkov over Terraform's JSON of an environment."""

import json
import re
import tempfile
from functools import partial
from pathlib import Path

from tests.cluster import checkov as runner
from tests.cluster.checkov import Finding, obtained

__all__ = ["obtained", "scan", "waivers"]

# Kinds stand two levels deep, and an indentation is one blank.
_KIND = re.compile(r'  "(aws_\w+)": \{')
# `kinds` and `names` are Terraform's of the resource.
waivers = partial(runner.waivers, Path(__file__).with_name("checkov_waivers.toml"))


def scan(checkov, configuration):
    """All findings in a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(configuration.json, indent=1)
        Path(folder, "main.tf.json").write_text(text, encoding="utf-8")
        found = runner.failed_checks(checkov, folder, "terraform_json")
    return [_finding(item, text.splitlines()) for item in found]


def _finding(item, lines):
    """A finding. In JSON, checkov often calls a resource by its name without its kind, which stands before it."""
    _, _, name = item["resource"].partition(".")
    before = reversed(lines[: item["file_line_range"][0]])
    kind = next(match[1] for line in before if (match := _KIND.match(line)))
    return Finding(item["check_id"], kind, name, f"{item['check_id']} {item['check_name']}: {kind}.{name}")
