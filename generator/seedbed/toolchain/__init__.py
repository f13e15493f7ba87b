"""The Pulumi command-line program: found on PATH, or obtained once and kept in the user's cache."""

from seedbed.toolchain.pulumi_cli import MINIMUM_VERSION, PulumiCli, find, obtain, require

__all__ = ["MINIMUM_VERSION", "PulumiCli", "find", "obtain", "require"]
