"""One run, from its spec to its folder: claim, resume, train, evaluate, record."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gam_bench.errors import UserError
from gam_bench.store.claim import Claim, ClaimLost
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import checkpoint
from gam_bench.train.checkpoint import Totals, same_threads
from gam_bench.train.clock import peak_memory, reset_peak_memory
from gam_bench.train.environment import environment
from gam_bench.train.group import Group
from gam_bench.train.precision import set_precision
from gam_bench.train.result import figures
from gam_bench.train.switches import PLAIN, Switches
from gam_bench.train.trainer import Diverged, Trainer

OnEpoch = Callable[[dict[str, Any]], None]
ALONE = Group()


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended; `message` is empty unless the run is not done."""

    state: State
    message: str = ""


def train(
    spec: RunSpec,
    results: Path,
    *,
    device: str = "cpu",
    retry: bool = False,
    on_epoch: OnEpoch | None = None,
    group: Group = ALONE,
    switches: Switches = PLAIN,
    forecast_seconds: float | None = None,
) -> Outcome:
    """Bring a run to its end in `results/runs/UID`, from its last finished epoch if it has one.

    Returns at once when the run is done, has failed (unless `retry`), or another process holds it. Called by
    every process of a data-parallel run's `group`, of which the first one writes and calls `on_epoch`.
    What the launcher thought that the run would take, `forecast_seconds`, is recorded beside what it took.
    An exception of the run is recorded in its `error.txt` and returned, not raised; UserError is raised
    when the folder holds another spec or a checkpoint of another numerics version, or cannot be written, or
    the group has not `spec.processes` processes.
    """
    if group.world != spec.processes:
        raise UserError(
            f"{spec.uid} wants {spec.processes} processes (setting `processes`), here are {group.world}"
        )
    folder = RunFolder.of(results, spec.uid)
    claim: Claim | None = None

    def begin() -> Outcome | None:
        nonlocal claim
        folder.begin(spec)
        claim = Claim.take(folder.path)
        return _begun(folder, claim, retry)

    if (outcome := group.on_first(begin)) is not None:
        return outcome
    try:
        result = _train(spec, folder, claim, torch.device(device), group, switches, on_epoch)
        result["forecast_seconds"] = forecast_seconds
        group.on_first(lambda: folder.write_result(result))
    except checkpoint.OtherNumerics:
        if claim:
            claim.release()
        raise
    except ClaimLost as lost:
        return Outcome(State.RUNNING, str(lost))
    except Diverged as error:
        return _failed(folder, claim, State.DIVERGED, f"diverged: {error}", "")
    except Exception as error:
        summary = f"failed: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        details = "" if isinstance(error, UserError) else traceback.format_exc()
        return _failed(folder, claim, State.FAILED, summary, details)
    except BaseException:
        if claim:
            claim.release()
        raise
    if claim:
        claim.finish()
    return Outcome(State.DONE)


def _begun(folder: RunFolder, claim: Claim | None, retry: bool) -> Outcome | None:
    """Whether there is anything to do: None, or the outcome that makes it needless."""
    if claim is None:
        return Outcome(State.RUNNING, "another process is at it")
    if folder.result() is not None:
        claim.finish()
        return Outcome(State.DONE)
    if failure := folder.failure():
        if not retry:
            claim.release()
            return Outcome(*failure)
        folder.forgive()
    return None


def _failed(folder: RunFolder, claim: Claim | None, state: State, summary: str, details: str) -> Outcome:
    try:
        folder.write_error(summary, details)
    finally:
        if claim:
            claim.release()
    return Outcome(state, summary)


def _train(
    spec: RunSpec,
    folder: RunFolder,
    claim: Claim | None,
    device: torch.device,
    group: Group,
    switches: Switches,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    """Train all epochs that are left and return the figures of the whole run."""
    began = time.perf_counter()
    saved = group.on_first(lambda: checkpoint.load(folder))
    with same_threads(saved):
        # a checkpoint of before processor time was kept has none to go on from
        totals = Totals(**({"process_seconds": None} | saved["totals"])) if saved else Totals()
        if group.first:
            folder.rewind(totals.epoch)
            folder.write_environment(environment(device))
        set_precision(spec.precision)
        reset_peak_memory(device)
        trainer = Trainer(spec, device, group, switches)
        if saved:
            trainer.load_state_dict(saved)
        before, first = totals.total_seconds, totals.epoch + 1
        for epoch in range(first, spec.epochs + 1):
            metrics = {"epoch": epoch, **trainer.train_epoch(epoch), **trainer.evaluate()}
            metrics["passes"] = trainer.take_passes()
            totals.add(metrics, trainer.images, warm=epoch > first, peak_memory=peak_memory(device))
            totals.total_seconds = before + time.perf_counter() - began

            def keep(metrics: dict[str, Any] = metrics) -> None:
                assert claim is not None
                claim.held()
                folder.add_metrics(metrics)
                checkpoint.save(folder, trainer.state_dict(), totals)

            group.on_first(keep)
            if on_epoch and group.first:
                on_epoch(metrics)
        sharpness = group.on_first(trainer.flatness)
        totals.total_seconds = before + time.perf_counter() - began

    def conclude() -> dict[str, Any]:
        assert claim is not None
        claim.held()
        return figures(trainer, folder.metrics(), totals, sharpness) | {"attempts": claim.number}

    return group.on_first(conclude)
