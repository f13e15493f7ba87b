"""What the whole program declares on AWS."""

import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

from tests.infra.aws.conftest import configured, record  # noqa: E402

__all__ = ["configured", "record"]
