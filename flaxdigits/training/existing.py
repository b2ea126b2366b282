"""What a directory that already exists may become."""

from contextlib import suppress
from dataclasses import replace

from flaxdigits.errors import ConfigError, RunError, RunExistsError
from flaxdigits.runs import IfExists, Run
from flaxdigits.training.checkpoint import saved_files
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.records import Provenance
from flaxdigits.training.repair import is_toml


def refuse_existing(run: Run, if_exists: IfExists) -> None:
    """Checks that the directory may become a new run.

    Raises:
        RunExistsError: if it holds a run that must not be replaced.
        RunError: if it is not a directory, or holds files of other origin that training would replace.
    """
    if run.path.exists() and not run.path.is_dir():
        raise RunError(run.path, "not a directory", "choose another one")
    files = [*run.results(), *(path for path in (run.config, run.data) if path.exists())]
    if files and not is_ours(run):
        names = ", ".join(sorted(path.name for path in files))
        raise RunError(
            run.path, f"not a run, but holds files that training would replace: {names}", "choose another one"
        )
    if if_exists != "replace" and (run.config.exists() or run.results()):
        hint = 'choose another directory, or pass if_exists="resume" or "replace"'
        raise RunExistsError(run.path, "already holds a run", hint)


def is_ours(run: Run) -> bool:
    """Returns whether training has written the directory: data.json, config.toml or a checkpoint in it can be read."""
    with suppress(RunError):
        return bool(Provenance.read(run.data))
    with suppress(ConfigError, OSError):
        if is_toml(run.config):
            return bool(TrainConfig.from_toml(run.config))
    return run.data.name in saved_files(run.checkpoints)


def refuse_another(run: Run, config: TrainConfig | None) -> None:
    """Raises RunExistsError if the run began with a configuration other than the given one."""
    begun = TrainConfig.from_toml(run.config)
    if config and config.precision == "auto":
        config = replace(config, precision=begun.precision)
    changes = config.differences(begun) if config else []
    if changes:
        problem = f"holds a run with another configuration ({'; '.join(changes)})"
        raise RunExistsError(run.path, problem, 'choose another directory, or pass if_exists="replace"')
