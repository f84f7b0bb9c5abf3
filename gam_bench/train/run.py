"""One run, from its spec to its folder: claim, resume, train, evaluate, record."""

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from gam_bench.errors import UserError
from gam_bench.store.claim import Claim, ClaimLost
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train.clock import peak_memory, reset_peak_memory, synchronised
from gam_bench.train.environment import device_name, environment
from gam_bench.train.flops import forward_backward_flops
from gam_bench.train.group import Group
from gam_bench.train.precision import set_precision
from gam_bench.train.switches import Switches
from gam_bench.train.trainer import Diverged, Trainer

os.environ["HF_HUB_OFFLINE"] = "1"  # a run never downloads: `gam-bench data weights` does

OnEpoch = Callable[[dict[str, Any]], None]
ALONE = Group()
PLAIN = Switches()


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended; `message` is empty unless the run is not done."""

    state: State
    message: str = ""


@dataclass
class Totals:
    """What a run has accumulated, over all its resumptions."""

    epoch: int = 0
    passes: float = 0.0
    train_seconds: float = 0.0
    data_seconds: float = 0.0
    eval_seconds: float = 0.0
    total_seconds: float = 0.0
    timed_images: int = 0
    timed_seconds: float = 0.0
    peak_memory_bytes: int = 0
    threads: int = field(default_factory=torch.get_num_threads)


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
    when the folder holds another spec or cannot be written, or the group has not `spec.processes` processes.
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
        figures = _train(spec, folder, claim, torch.device(device), group, switches, on_epoch)
        figures["forecast_seconds"] = forecast_seconds
        group.on_first(lambda: folder.write_result(figures))
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
    if folder.error():
        if not retry:
            state = State.DIVERGED if folder.error().startswith("diverged") else State.FAILED
            claim.release()
            return Outcome(state, folder.error().partition("\n")[0])
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
    saved = group.on_first(lambda: _saved(folder))
    if saved is not None:
        torch.set_num_threads(saved["totals"]["threads"])  # the figures depend on it in their last digits
    totals = Totals(**saved["totals"]) if saved else Totals()
    if group.first:
        folder.rewind(totals.epoch)
        folder.write_environment(environment(device))
    set_precision(spec.precision)
    reset_peak_memory(device)
    trainer = Trainer(spec, device, group, switches)
    if saved:
        trainer.load_state_dict(saved)
    before = totals.total_seconds
    first = totals.epoch + 1
    for epoch in range(first, spec.epochs + 1):
        metrics = {"epoch": epoch, **trainer.train_epoch(epoch), **trainer.evaluate()}
        metrics["passes"] = trainer.take_passes()
        totals.epoch = epoch
        totals.passes += metrics["passes"]
        totals.train_seconds += metrics["train_seconds"]
        totals.data_seconds += metrics["data_seconds"]
        totals.eval_seconds += metrics["eval_seconds"]
        if epoch > first:  # the first epoch of a process warms up caches, allocators and kernels
            totals.timed_images += trainer.images
            totals.timed_seconds += metrics["train_seconds"]
        totals.peak_memory_bytes = max(totals.peak_memory_bytes, peak_memory(device) or 0)
        totals.total_seconds = before + time.perf_counter() - began

        def keep(metrics: dict[str, Any] = metrics) -> None:
            assert claim is not None
            claim.held()
            folder.add_metrics(metrics)
            _save(folder, {**trainer.state_dict(), "totals": asdict(totals)})

        group.on_first(keep)
        if on_epoch and group.first:
            on_epoch(metrics)
    started = synchronised(device)
    sharpness = group.on_first(trainer.flatness)
    flatness_seconds = synchronised(device) - started
    totals.total_seconds = before + time.perf_counter() - began
    if claim:
        claim.held()
    return _figures(spec, folder, trainer, totals) | {
        "lambda_max": sharpness.lambda_max,
        "hessian_trace": sharpness.trace,
        "hessian_trace_se": sharpness.trace_error,
        "flatness_seconds": flatness_seconds,
        "device": device.type,
        "device_name": device_name(device),
        "compiled": trainer.switches.compile,
        "cuda_graph": trainer.switches.cuda_graph,
        "attempts": claim.number if claim else None,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _figures(spec: RunSpec, folder: RunFolder, trainer: Trainer, totals: Totals) -> dict[str, Any]:
    """The result's figures: of the last epoch, and apart from them the best ones and what picked them."""
    lines = folder.metrics()
    last = lines[-1]
    best_test = max(lines, key=lambda line: line["test_accuracy"])
    flops = forward_backward_flops(spec)
    steps = trainer.steps * spec.epochs
    best = max(lines, key=lambda line: line["validation_accuracy"]) if "validation_accuracy" in last else None
    return {
        "epochs": spec.epochs,
        "test_accuracy": last["test_accuracy"],
        "test_loss": last["test_loss"],
        "best_test_accuracy": best_test["test_accuracy"],
        "best_test_epoch": best_test["epoch"],
        "validation_accuracy": last.get("validation_accuracy"),
        "validation_loss": last.get("validation_loss"),
        "best_validation_epoch": best["epoch"] if best else None,
        "test_accuracy_at_best_validation": best["test_accuracy"] if best else None,
        "train_accuracy": last["train_accuracy"],
        "train_loss": last["train_loss"],
        "forward_backward_passes": totals.passes,
        "steps": steps,
        "flops_per_step": round(flops * totals.passes / steps) if flops else None,
        "train_seconds": totals.train_seconds,
        "data_seconds": totals.data_seconds,
        "eval_seconds": totals.eval_seconds,
        "total_seconds": totals.total_seconds,
        "images_per_second": totals.timed_images / totals.timed_seconds if totals.timed_seconds else None,
        "peak_memory_bytes": totals.peak_memory_bytes or None,
        "parameters": trainer.parameters,
        "threads": totals.threads,
    }


def _saved(folder: RunFolder) -> dict[str, Any] | None:
    """The last checkpoint; None without one, or with one that a crash of the machine left unreadable."""
    if not folder.checkpoint.exists():
        return None
    try:
        return torch.load(folder.checkpoint, map_location="cpu", weights_only=True)
    except Exception:
        folder.checkpoint.rename(folder.checkpoint.with_suffix(".damaged"))
        return None


def _save(folder: RunFolder, content: dict[str, Any]) -> None:
    """Replace the checkpoint in one rename, so that a kill leaves the old or the new one."""
    temporary = folder.path / f".checkpoint.{os.getpid()}"
    try:
        torch.save(content, temporary)
        temporary.replace(folder.checkpoint)
    finally:
        temporary.unlink(missing_ok=True)
