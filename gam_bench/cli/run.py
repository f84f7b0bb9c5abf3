"""`gam-bench run`: compute what is missing of a suite on this machine, then show the table."""

import os
import shlex
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Processes, Results, Seeds, SuiteName, planned
from gam_bench.cli.progress import progress
from gam_bench.data.roots import require
from gam_bench.hardware import gpu_names
from gam_bench.launch.forecast import Forecast, passes
from gam_bench.launch.local.queue import LocalQueue
from gam_bench.launch.local.together import train_under_torchrun
from gam_bench.launch.place import Place, places
from gam_bench.launch.plan import Plan, plan
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import standings
from gam_bench.suite.suite import Suite
from gam_bench.train.switches import Switches


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def command(
    suite: SuiteName,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    device: Annotated[
        Device, typer.Option(help="Where to compute; auto takes GPUs if there are any.")
    ] = Device.AUTO,
    processes: Processes = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile the models; pays for long runs only.")
    ] = False,
    cuda_graph: Annotated[
        bool, typer.Option("--cuda-graph", help="Replay each step as one CUDA graph.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once [default: one a GPU, or one a core].")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also runs that failed or diverged before.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="All anew, finished runs too; old folders go to RESULTS/replaced."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
) -> None:
    """Run what is missing of a suite on this machine, then print its table.

    Finished runs are skipped, interrupted ones go on after their last finished epoch. The exit code is 1
    if any run failed.

    Examples: `gam-bench run quickstart` · `gam-bench run ./mine.yaml --seeds 0-4 --only optimizer=sam,gam` ·
    `torchrun --nproc-per-node 4 -m gam_bench run imagenet --processes 4`
    """
    loaded, runs = planned(suite, seeds, only, processes)
    what = plan(standings(runs, results), retry_failed=retry_failed, force=force)
    print(f"{loaded.title}\n{what.summary()}", file=sys.stderr)
    if dry_run:
        for standing in what.todo:
            print(standing.run.uid)
        return
    require(s.run.spec.dataset for s in what.todo)
    retry = retry_failed or force
    switches = Switches(compile, cuda_graph)
    states: dict[str, State] = {}
    if "TORCHELASTIC_RUN_ID" in os.environ:
        states = _under_torchrun(what, results, device, retry, switches)
    elif what.todo:
        most = max(s.run.spec.processes for s in what.todo)
        where = places(device, workers, processes=most, switches=switches)
        _make_folders(what)
        print(f"{len(what.todo)} to run, {len(where)} at once on {where[0].device}", file=sys.stderr)
        states = _compute(what, results, where, retry)
    if os.environ.get("RANK", "0") != "0":
        return
    after = plan(standings(runs, results))
    _print_table(loaded, after)
    print(f"\nResults: {results / 'runs'}", file=sys.stderr)
    _report_failures(after, states, results)


def _print_table(suite: Suite, after: Plan) -> None:
    from gam_bench.report import render, table  # pandas takes its time: only once there is something to show
    from gam_bench.results.frame import of_suite

    made = table.build(of_suite(suite, after.standings, environment=False))
    print(render.for_standard_output(made), end="")


def _make_folders(what: Plan) -> None:
    """A folder with its spec for each run: what cannot be written is known before anything is computed."""
    for standing in what.todo:
        if what.anew and standing.state != State.MISSING:
            kept = standing.folder.set_aside()
            print(f"{standing.run.uid} ({standing.state}) was moved to {kept}", file=sys.stderr)
        standing.folder.begin(standing.run.spec)


def _compute(what: Plan, results: Path, where: list[Place], retry: bool) -> dict[str, State]:
    """Launch the runs and watch them; each one's state."""
    forecast = Forecast.from_records(what.standings, results, where[0].hardware)
    signal.signal(signal.SIGTERM, _stop)
    try:
        with progress(what.todo) as watcher:
            return LocalQueue(results, where, watcher).run(
                what.todo,
                lambda s: passes(s.run.spec),
                forecasts={s.run.uid: forecast.seconds(s) for s in what.todo},
                retry=retry,
            )
    except KeyboardInterrupt:
        print(f"\nstopped; every finished epoch is kept. To go on: {_again()}", file=sys.stderr)
        raise typer.Exit(130) from None


def _under_torchrun(
    what: Plan, results: Path, device: Device, retry: bool, switches: Switches
) -> dict[str, State]:
    """This process is one of the user's group, which trains one run after another."""
    if os.environ["RANK"] == "0":
        _make_folders(what)
    on_gpu = device == Device.CUDA or (device == Device.AUTO and gpu_names())
    return train_under_torchrun(what.todo, results, "cuda" if on_gpu else "cpu", retry, switches)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _again() -> str:
    """The command that was typed, but for --force, which would begin all runs anew."""
    return shlex.join(["gam-bench", *(word for word in sys.argv[1:] if word != "--force")])


def _report_failures(after: Plan, states: dict[str, State], results: Path) -> None:
    """Name each run that is not done, its last words and where the rest is; exit code 1 if there is one."""
    on_disk = {s.run.uid: s.state for s in after.standings}
    bad = [uid for uid, state in on_disk.items() if state.failure]
    bad += [uid for uid, state in states.items() if (state.open or state.failure) and uid not in bad]
    for uid in bad:
        folder = RunFolder.of(results, uid)
        failure = folder.failure()
        print(f"{failure.line if failure else 'stopped'}: {uid}, see {folder.path}", file=sys.stderr)
    if bad:
        print("failed runs are tried again with --retry-failed", file=sys.stderr)
        raise typer.Exit(1)
