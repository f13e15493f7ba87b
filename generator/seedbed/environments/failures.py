"""The engine's failures as errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from seedbed.environments.aws.errors import RENEW, CredentialsExpiredError, CredentialsMissingError
from seedbed.environments.events import Recorder
from seedbed.errors import ConflictError, InfrastructureError, SpecError, ToolMissingError

# The engine's words for a provider's program that it neither has nor can download.
_PLUGIN = re.compile(r"resource plugin '(?:pulumi-resource-)?([a-z-]+?)(?:-v[\d.]+)?'(?: at version v([\w.+-]+))?")
# AWS's, its SDKs' and its provider's words for credentials whose time is over, and for there being none.
_EXPIRED = re.compile(
    r"ExpiredToken|RequestExpired|security token .{0,40}expired|token has expired|refresh cached (?:credentials|SSO)"
    r"|SSO session .{0,40}(?:expired|invalid)",
    re.IGNORECASE | re.DOTALL,
)
_NO_CREDENTIALS = re.compile(r"No valid credential sources found|NoCredentialProviders|no EC2 IMDS role found")
_PLUGIN_ATTEMPT = re.compile(r"error downloading provider: (.+)")


@contextmanager
def explained(name: str, recorder: Recorder) -> Iterator[None]:
    """Turn the Automation API's errors, which carry whole transcripts, into one that says what to do."""
    from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

    try:
        yield
    except StackNotFoundError as error:
        raise InfrastructureError(f"Environment '{name}' is not up", hint=f"Run `seedbed up {name}` first.") from error
    except ConcurrentUpdateError as error:
        holder = re.search(r"created by (.+)", str(error))
        raise ConflictError(
            f"Somebody else is changing environment '{name}': {holder[1] if holder else 'holder unknown'}",
            hint="Wait for them. A lock left by a run on another machine goes with `pulumi cancel` in infra/.",
        ) from error
    except CommandError as error:
        text = str(error)
        if "incorrect passphrase" in text:
            raise SpecError(
                f"The passphrase does not open the secrets of environment '{name}'; nothing was changed",
                hint="Correct PULUMI_CONFIG_PASSPHRASE, or unset it to use the one in .seedbed/passphrase.",
            ) from error
        if missing := _PLUGIN.search(text):
            raise _plugin_missing(missing, text) from error
        problems = recorder.problems or [_last_lines(text)]
        if lapsed := _credentials(name, "\n".join([*problems, text]), problems):
            raise lapsed from error
        raise InfrastructureError(
            f"Environment '{name}':\n" + "\n".join(f"  - {problem}" for problem in problems),
            hint=f"What was done is kept: correct the cause and run the command again, or `seedbed down {name}`.",
            details={"problems": problems},
        ) from error


def _credentials(name: str, text: str, problems: list[str]) -> InfrastructureError | None:
    """The error for credentials of AWS that ended while the engine was at work, or were none."""
    listed = "\n".join(f"  - {problem}" for problem in problems)
    details = {"problems": problems}
    if _NO_CREDENTIALS.search(text):
        return CredentialsMissingError(
            f"The engine found no credentials for AWS, for environment '{name}':\n{listed}",
            hint="Give some by AWS_PROFILE, or by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and run it again.",
            details=details,
        )
    if _EXPIRED.search(text):
        return CredentialsExpiredError(
            f"Your credentials for AWS expired while environment '{name}' was being changed:\n{listed}",
            hint=RENEW,
            details=details,
        )
    return None


def _last_lines(text: str, count: int = 8) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def _plugin_missing(found: re.Match[str], text: str) -> ToolMissingError:
    name, version = found[1], found[2] or ""
    attempt = _PLUGIN_ATTEMPT.search(text)
    wanted = f" {version}" if version else ""
    return ToolMissingError(
        f"Pulumi's plugin for {name}{wanted} is not installed, and could not be downloaded"
        + (f": {attempt[1].strip()}" if attempt else ""),
        hint=f"With a network: `pulumi plugin install resource {name} {version}`. Without one: fetch its archive"
        f" elsewhere and add `--file ARCHIVE` to that command, or put pulumi-resource-{name} on PATH.",
        details={"plugin": name, "version": version},
    )
