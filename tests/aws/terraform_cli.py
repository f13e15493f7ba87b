"""Terraform itself, with a provider that was built here: nothing is downloaded, so there is no `init` either."""

import json
import os
import shutil
import subprocess


def find():
    """Path of the program, or None."""
    return shutil.which("terraform")


class Terraform:
    """Commands on the configuration in a folder.

    Args:
        folder: with a main.tf.json; the state is kept there too.
        program: path of the AWS provider.
        variables: of the environment, for what is particular to an account.
    """

    def __init__(self, folder, program, variables=None):
        self._folder = folder
        settings = folder / "terraform.rc"
        settings.write_text(
            f'provider_installation {{ dev_overrides {{ "hashicorp/aws" = {json.dumps(str(program.parent))} }} }}\n'
        )
        self._variables = {
            # The metadata service and the person's own credentials and profiles stay out of it.
            **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))},
            "TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull, **(variables or {}),
        }  # fmt: skip

    def run(self, *arguments, codes=(0,)):
        """What a command prints.

        Args:
            arguments: of the command line.
            codes: that are no failure.
        """
        done = subprocess.run(
            [find(), *arguments], cwd=self._folder, env=self._variables, capture_output=True, text=True, timeout=600,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in codes, f"terraform {arguments[0]}: {done.stdout[-6000:]}{done.stderr[-6000:]}"
        return done.stdout
