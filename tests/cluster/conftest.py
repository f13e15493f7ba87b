"""The tests that need a real API server, or what the whole program declares for one."""

import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

from tests.cluster.fixtures import cluster, engine_variables, plugin, stack  # noqa: E402
from tests.infra.kubernetes.conftest import configured, on_cluster, record  # noqa: E402

__all__ = ["cluster", "configured", "engine_variables", "on_cluster", "plugin", "record", "stack"]
