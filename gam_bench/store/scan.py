"""What a results folder holds of the runs that a suite plans."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError, did_you_mean
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.suite import Run


@dataclass(frozen=True)
class Standing:
    """A planned run beside what there is of it. `epoch` is the last finished one, 0 before the first."""

    run: Run
    folder: RunFolder
    state: State
    epoch: int
    result: dict[str, Any] | None


def standings(runs: Iterable[Run], results: Path) -> list[Standing]:
    """Where each run stands. Raises UserError for a damaged result or a folder that holds another spec."""
    if results.exists() and not results.is_dir():
        raise UserError(f"{results} is no folder")
    return [_standing(run, RunFolder.of(results, run.uid)) for run in runs]


def one_run(name: str, results: Path) -> str:
    """The uid of the only run folder whose uid is `name` or begins so. Raises UserError."""
    uids = [path.name for path in (results / "runs").glob("*")] if (results / "runs").is_dir() else []
    found = [uid for uid in uids if uid == name] or sorted(uid for uid in uids if uid.startswith(name))
    if not found:
        raise UserError(f"no run in {results} is called {name!r}{did_you_mean(name, uids)}")
    if len(found) > 1:
        raise UserError(f"{len(found)} runs begin with {name!r}: {', '.join(found[:5])}")
    return found[0]


def _standing(run: Run, folder: RunFolder) -> Standing:
    state = folder.state()
    if state == State.MISSING:
        return Standing(run, folder, state, 0, None)
    folder.check(run.spec)
    result = folder.result()
    if result is not None:
        return Standing(run, folder, state, run.spec.epochs, result)
    metrics = folder.metrics()
    return Standing(run, folder, state, metrics[-1]["epoch"] if metrics else 0, None)
