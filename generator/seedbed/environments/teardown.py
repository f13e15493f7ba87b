"""The end of an environment: `down`, and what is left to do when its cluster is gone already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedbed.environments import patience
from seedbed.environments import stack as stacks
from seedbed.environments.events import Recorder
from seedbed.environments.failures import explained
from seedbed.environments.inventory import Inventory
from seedbed.environments.operations import Progress
from seedbed.environments.places import Place, place_of
from seedbed.environments.project import Project, ensure_ready
from seedbed.environments.stack import real, recorded_in
from seedbed.environments.stack_config import environment_of
from seedbed.errors import ConflictError, InfrastructureError

if TYPE_CHECKING:
    from pulumi.automation import Stack

# Longer than a provider waits for one object, so that its own message comes first. AWS takes ten minutes for a cluster
# alone, and then for gateways and the network.
_USUAL_SECONDS = {"local": 15 * 60.0, "kubernetes": 15 * 60.0, "aws": 45 * 60.0}
_MINUTE = 60.0


@dataclass(frozen=True)
class Forgotten:
    """What `forget_cluster` did.

    Attributes:
        context: of the cluster.
        reason: why nothing could be known of it.
        objects: how many of its objects the state no longer names.
        elsewhere: how many resources that were not on it were destroyed.
    """

    context: str
    reason: str
    objects: int
    elsewhere: int


def down(
    project: Project, name: str, progress: Progress, *, confirmed: str | None = None, seconds: float | None = None
) -> Inventory:
    """Destroy an environment, look for anything left of it, and forget it only when there is nothing.

    Args:
        project: the project.
        name: the environment.
        progress: told about each step.
        confirmed: the name that the person typed; needed for a protected environment.
        seconds: how long the destruction may take; then it is stopped, and what holds it up is named. None: as long
            as is usual where it runs.

    Raises:
        ConflictError: it is protected and its name was not typed.
        InfrastructureError: the destruction failed or did not end in time, or something is left.
    """
    _require_permission(project, name, confirmed)
    if not stacks.exists(project, name):
        found = place_of(project, name, []).leftovers()
        if found.leftovers:
            _fail_with(found, name)
        return found
    ensure_ready(project, progress.say)
    stack = stacks.open_stack(project, name, progress.say)
    recorded = recorded_in(stack)
    place = place_of(project, name, recorded)
    place.reach()
    stacks.break_dead_lock(project, name, progress.say)
    _unprotect(project, stack, recorded, place)
    _hand_over(stack, place, progress)
    _destroy(stack, name, progress, place, seconds or _usual(project, name))
    progress.say("Looking for anything left")
    found = place.leftovers()
    if not real(recorded_in(stack)):
        stacks.remove(project, name, stack)
    found.checked = {"resources": len(real(recorded)), **found.checked}
    if found.leftovers:
        _fail_with(found, name)
    return found


def forget_cluster(project: Project, name: str, progress: Progress, *, confirmed: str | None) -> Forgotten:
    """Drop from the state what was on a cluster that no longer exists, and destroy what was elsewhere.

    Nothing is looked for on the cluster, since there is none.

    Args:
        project: the project.
        name: the environment.
        progress: told about each step.
        confirmed: the name that the person typed; always needed.

    Raises:
        ConflictError: the name was not typed, the environment is not on a cluster, or the cluster answers.
        InfrastructureError: the environment is not up, or what was elsewhere could not be destroyed.
    """
    if confirmed != name:
        raise ConflictError(
            f"Forgetting the cluster of '{name}' was not confirmed; nothing was changed",
            hint=f"If the cluster really no longer exists: seedbed down {name} --cluster-gone --confirm {name}",
        )
    whole = place_of(project, name, stacks.recorded(project, name))
    place = whole.on_cluster()
    if place is None:
        raise ConflictError(f"Environment '{name}' is not on a cluster", hint=f"Run `seedbed down {name}`.")
    reason = place.require_gone()
    ensure_ready(project, progress.say)
    stack = stacks.open_stack(project, name, progress.say)
    stacks.break_dead_lock(project, name, progress.say)
    with explained(name, Recorder("down", progress.step)):
        count = stacks.forget(stack, place.is_on_cluster)
    _hand_over(stack, whole, progress)
    elsewhere = len(real(recorded_in(stack)))
    _destroy(stack, name, progress, None, _usual(project, name))
    if not real(recorded_in(stack)):
        stacks.remove(project, name, stack)
    return Forgotten(place.context, reason, count, elsewhere)


def _unprotect(project: Project, stack: Stack, recorded: list[dict[str, Any]], place: Place) -> None:
    """Let the engine delete what holds data, now that the name was typed."""
    held = [resource["urn"].rpartition("::")[2] for resource in recorded if resource.get("protect")]
    if not held:
        return
    if not environment_of(project.spec, stack.name).protect:
        raise ConflictError(
            f"The engine is told to keep {len(held)} resources of environment '{stack.name}' ({', '.join(held[:3])},"
            " …), and nothing was changed",
            hint=f"If the spec protected it until now, `seedbed up {stack.name}` takes that off; then run down again."
            " What somebody protected by hand: pulumi state unprotect, in infra/.",
        )
    place.unprotect()
    stacks.unprotect(stack)


def _hand_over(stack: Stack, place: Place, progress: Progress) -> None:
    """Drop from the state what others use too."""
    if staying := place.hand_over():
        for reason in staying.values():
            progress.say(reason)
        stacks.forget(stack, lambda resource: resource["urn"] in staying)


def _destroy(stack: Stack, name: str, progress: Progress, place: Place | None, seconds: float) -> None:
    """Destroy all resources; what holds it up is said meanwhile, and in the error when the time is over."""
    recorder = Recorder("down", progress.step)
    watch = patience.Watch(stack.workspace.pulumi_command, seconds, place.blockers if place else list, progress.say)
    try:
        with explained(name, recorder), watch:
            stack.destroy(on_event=recorder, color="never", run_program=False)
    except patience.TimeIsUpError as error:
        blockers = watch.blockers()
        raise InfrastructureError(
            f"Environment '{name}' was not gone after {_duration(seconds)}, and the destruction was stopped."
            + (_listed("It waits for", blockers) or " Nothing says what it waits for."),
            hint=f"What is gone stays gone. Remove what holds it up, then run `seedbed down {name}` again."
            " seedbed never removes a finalizer: it stands for work that somebody has yet to do.",
            details={"blockers": blockers},
        ) from error
    except InfrastructureError as error:
        if blockers := watch.blockers():
            error.message += _listed("What is still being deleted", blockers)
            error.args = (error.message,)
            error.details["blockers"] = blockers
        raise


def _usual(project: Project, name: str) -> float:
    return _USUAL_SECONDS[environment_of(project.spec, name).target]


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= _MINUTE else f"{seconds:.0f} s"


def _listed(title: str, lines: list[str]) -> str:
    return f"\n{title}:\n" + "\n".join(f"  - {line}" for line in lines) if lines else ""


def _require_permission(project: Project, name: str, confirmed: str | None) -> None:
    if environment_of(project.spec, name).protect and confirmed != name:
        raise ConflictError(
            f"Environment '{name}' is protected; nothing was changed",
            hint=f"If it really must go: seedbed down {name} --confirm {name}",
        )


def _fail_with(found: Inventory, name: str) -> None:
    raise InfrastructureError(
        f"Environment '{name}' is not gone:\n" + "\n".join(f"  - {leftover}" for leftover in found.leftovers),
        hint=f"Run `seedbed down {name}` again; what stays in the list then must be removed by hand.",
        details={"leftovers": found.leftovers, "checked": found.checked},
    )
