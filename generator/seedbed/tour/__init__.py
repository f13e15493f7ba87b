"""The whole way on real data: generate, provision, train, serve, watch, retrain, roll back, take down, and prove it.

`make demo` and `seedbed tour` run this. It uses nothing but the commands that a person would type.
"""

from seedbed.tour.runner import Options, run

__all__ = ["Options", "run"]
