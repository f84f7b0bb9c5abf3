"""A real SLURM, brought up by the project's own script, and gam-bench on it as a user types it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

LOCAL = Path(__file__).parents[2] / "slurm" / "local"
FOLDER = Path("/tmp/gam-bench-slurm-tests")  # noqa: S108, root's, and jobs on "other nodes" must find it
SETTINGS = {
    "SLURM_LOCAL_DIR": str(FOLDER),
    "SLURM_LOCAL_PORT": "17817",
    "SLURM_LOCAL_MAX_ARRAY": "4",
}
TINY_RUN = {
    "dataset": "digits",
    "model": "cnn20k",
    "optimizer": "sgd",
    "lr": 0.05,
    "epochs": 1,
    "batch_size": 250,
}

SAME = (
    "test_accuracy",
    "test_loss",
    "train_loss",
    "best_test_accuracy",
    "lambda_max",
    "forward_backward_passes",
)


def local(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a script of slurm/local."""
    script = [LOCAL / command[0], *command[1:]]
    return subprocess.run(script, env=os.environ | SETTINGS, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """The cluster of slurm/local, with a small MaxArraySize, for as long as the tests run."""
    up = local("slurm-up")
    if up.returncode:
        reason = f"slurm-up: {up.stderr.strip()}"
        (pytest.fail if os.environ.get("GAM_BENCH_REQUIRE_SLURM") == "1" else pytest.skip)(reason)
    yield
    down = local("slurm-down", "--purge")
    assert down.returncode == 0, down.stderr


class Cluster:
    """gam-bench in a folder of its own, and the SLURM commands."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.results = folder / "my results"  # a space, since users have such folders
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        self.environment |= {"SLURM_CONF": str(FOLDER / "etc" / "slurm.conf"), "OMP_NUM_THREADS": "1"}

    def gam_bench(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run a command on the results folder and return its output; its exit code must be `code`."""
        command = [sys.executable, "-m", "gam_bench", *arguments, "--results", str(self.results)]
        done = self._run(command, environment)
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def slurm(self, *command: str) -> str:
        """Run a SLURM command and return what it prints."""
        done = self._run(list(command), {})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=600,  # a busy machine takes its time
            check=False,
        )

    def suite(
        self, name: str, seeds: int = 1, runs: list[dict[str, Any]] | None = None, **settings: Any
    ) -> str:
        """A suite file of tiny runs."""
        content = {
            "title": name,
            "seeds": list(range(seeds)),
            "runs": runs or [{"dataset": "digits"}],
            "settings": [{"set": TINY_RUN | settings, "source": "assumed"}],
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    def profile(self, **keys: Any) -> str:
        path = self.folder / "profile.yaml"
        path.write_text(yaml.safe_dump({"memory_gb": 1, "hours": 1.0} | keys))
        return str(path)

    def submit(self, suite: str, *arguments: str, **profile: Any) -> list[dict[str, Any]]:
        """Submit and return the new entries of the ledger."""
        before = len(self.ledger())
        self.gam_bench("submit", suite, "--cluster", self.profile(**profile), *arguments)
        return self.ledger()[before:]

    def ledger(self) -> list[dict[str, Any]]:
        path = self.results / "jobs" / "jobs.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []

    def status(self, suite: str, **environment: str) -> dict[str, dict[str, Any]]:
        """The rows of `status --json`, by uid."""
        command = [
            sys.executable,
            "-m",
            "gam_bench",
            "status",
            suite,
            "--json",
            "--results",
            str(self.results),
        ]
        return {row["uid"]: row for row in json.loads(self._run(command, environment).stdout)}

    def states(self, suite: str) -> list[str]:
        return sorted(row["state"] for row in self.status(suite).values())

    def wait(self, true: Callable[[], Any], seconds: float = 90) -> Any:
        """Poll until it is true and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := true()):
            assert time.monotonic() < deadline, f"not within {seconds} s; {self.logs()}"
            time.sleep(0.5)
        return value

    def finished(self, number: int, seconds: float = 300) -> None:
        """Wait until so many runs have results."""
        self.wait(lambda: len(list(self.results.glob("runs/*/result.json"))) == number, seconds)

    def epoch(self, uid: str) -> int:
        """The last finished epoch of a run."""
        path = self.results / "runs" / uid / "metrics.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def state(self, job: str) -> str:
        """As squeue has it; empty once the job is gone."""
        return self._run(["squeue", "-h", "-j", job, "-o", "%T"], {}).stdout.strip()

    def node(self, job: str) -> str:
        return self._run(["squeue", "-h", "-j", job, "-o", "%N"], {}).stdout.strip()

    def signal_daemon(self, name: str, number: int) -> None:
        """Only the daemon: what it has started lives on."""
        os.kill(int((FOLDER / f"{name}.pid").read_text()), number)

    def crash(self, node: str) -> None:
        """Kill all that runs on a node, the daemon first, as when its power fails."""
        ours, there = f"SLURM_CONF={FOLDER}/etc/slurm.conf", f"SLURMD_NODENAME={node}"
        self.signal_daemon(f"slurmd-{node}", signal.SIGKILL)
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it may end meanwhile
                variables = environ.read_text(errors="replace").split("\0")
                stepd = f"SLURM_LOCAL={FOLDER}:slurmd-{node}" in variables
                if stepd or (ours in variables and there in variables):
                    os.kill(int(environ.parent.name), signal.SIGKILL)

    def up(self) -> None:
        """Bring back the daemons that have died."""
        done = local("slurm-up")
        assert done.returncode == 0, done.stderr

    def kill_process_of(self, uid: str) -> None:
        """As the kernel does when memory runs out."""
        claims = (self.results / "runs" / uid).glob("claim-*")
        newest = max(claims, key=lambda path: int(path.name.removeprefix("claim-")))
        os.kill(json.loads(newest.read_text())["pid"], signal.SIGKILL)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of each finished run, what no disturbance may change, to the last bit."""
        results = {
            path.parent.name: json.loads(path.read_text()) for path in self.results.glob("runs/*/result.json")
        }
        return {uid: {key: result[key] for key in SAME} for uid, result in results.items()}

    def beside(self, name: str = "calm") -> "Cluster":
        """Another results folder on the same cluster."""
        folder = self.folder / name
        folder.mkdir()
        return Cluster(folder)

    def log(self, job: str) -> str:
        (path,) = self.results.glob(f"jobs/*/{job}_0_log.out")
        return path.read_text()

    def logs(self) -> str:
        return "\n".join(
            f"{path.name}:\n{path.read_text()}" for path in self.results.glob("jobs/*/*_log.out")
        )


@pytest.fixture
def cluster(slurm: None, tmp_path: Path) -> Iterator[Cluster]:
    """The cluster, empty again afterwards."""
    made = Cluster(tmp_path)
    yield made
    if jobs := made.slurm("squeue", "-h", "-o", "%A"):
        made.slurm("scancel", *set(jobs.split()))
        made.wait(lambda: not made.slurm("squeue", "-h"), 30)
