"""The stages of the preference study, run in this process."""

from support.stage_runner import run_stage


def stage(name: str, *arguments: object) -> int:
    """Run `python -m stages.preferences.<name> arguments` in this process; the exit status."""
    return run_stage(f"preferences.{name}", *arguments)
