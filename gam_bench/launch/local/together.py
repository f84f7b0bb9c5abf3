"""Data-parallel runs on this machine: one under a torchrun of its own, or all under the user's torchrun."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gam_bench.launch.local.messages import Order
from gam_bench.launch.place import Place
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing
from gam_bench.train.switches import Switches


def train_together(
    order: Order, results: Path, place: Place, on_epoch: Callable[[dict[str, Any]], None]
) -> tuple[State, str]:
    """Train a run in its `processes` processes, on as many GPUs from the place's on, or on the CPU.

    How it ended, and the first line of its error.
    """
    spec = order.spec
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={spec.processes}",
    ]
    command += [
        "-m",
        "gam_bench.train.process",
        spec.model_dump_json(),
        str(results),
        place.device.partition(":")[0],
    ]
    options = {"retry": order.retry, "forecast_seconds": order.forecast_seconds}
    command += [json.dumps(options | {"switches": asdict(place.switches)})]
    environment = os.environ | {"OMP_NUM_THREADS": str(place.threads)}
    kind, _, first = place.device.partition(":")
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
    if failure := folder.failure():  # one of the other processes said why
        return failure
    return State.STALE, f"its processes died (exit code {process.returncode}), see {folder.log}"


def train_under_torchrun(
    todo: Sequence[Standing], results: Path, device: str, retry: bool, switches: Switches
) -> dict[str, State]:
    """Train runs one after another in the group of processes that the user's torchrun started.

    Called by each of them with the same `todo`; the first one says how it goes. Raises UserError for runs of
    another number of processes.
    """
    from gam_bench.train.group import joined
    from gam_bench.train.run import train

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
                switches=switches,
            )
            states[uid] = outcome.state
            if group.first:
                print(f"{uid}: {outcome.state} {outcome.message}", flush=True)
    return states
