"""Data-parallel runs on this machine: one under a torchrun of its own, or all under the user's torchrun."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec


def train_together(
    spec: RunSpec,
    results: Path,
    device: str,
    threads: int,
    on_epoch: Callable[[dict[str, Any]], None],
    options: dict[str, Any],
) -> tuple[State, str]:
    """Train `spec` in `spec.processes` processes, on as many GPUs from `device` on, or on the CPU.

    `options`: the keyword arguments of `train` that are plain values, `switches` as a mapping.
    """
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={spec.processes}",
    ]
    command += [
        "-m",
        "gam_bench.train.member",
        spec.model_dump_json(),
        str(results),
        device.partition(":")[0],
    ]
    command += [json.dumps(options)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    kind, _, first = device.partition(":")
    if kind == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        own = range(int(first or 0), int(first or 0) + spec.processes)
        names = [visible[index] if visible != [""] else str(index) for index in own]
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    folder = RunFolder.of(results, spec.uid)
    folder.begin(spec)
    outcome: tuple[State, str] | None = None
    with (
        folder.log.open("a") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                told = json.loads(line)
                if "metrics" in told:
                    on_epoch(told["metrics"])
                else:
                    outcome = State(told["state"]), told["message"]
        finally:
            process.terminate()
    if outcome is not None:
        return outcome
    if folder.state() in (State.FAILED, State.DIVERGED):  # one of the other processes said why
        return folder.state(), folder.error().partition("\n")[0]
    return State.STALE, f"its processes died (exit code {process.returncode}), see {folder.log}"


def train_under_torchrun(
    todo: Sequence[Standing], results: Path, device: str, retry: bool, switches: dict[str, bool]
) -> dict[str, State]:
    """Train runs one after another in the group of processes that the user's torchrun started.

    Called by each of them with the same `todo`; the first one says how it goes. Raises UserError for runs of
    another number of processes.
    """
    from gam_bench.train.group import joined
    from gam_bench.train.run import train
    from gam_bench.train.switches import Switches

    states: dict[str, State] = {}
    with joined(device) as (group, own_device):
        for uid, spec in group.on_first(lambda: [(s.run.uid, s.run.spec) for s in todo]):

            def tell(metrics: dict[str, Any], uid: str = uid) -> None:
                print(
                    f"{uid}: epoch {metrics['epoch']}, test accuracy {metrics['test_accuracy']:.4f}",
                    flush=True,
                )

            outcome = train(
                spec,
                results,
                device=str(own_device),
                retry=retry,
                on_epoch=tell,
                group=group,
                switches=Switches(**switches),
            )
            states[uid] = outcome.state
            if group.first:
                print(f"{uid}: {outcome.state} {outcome.message}", flush=True)
    return states
