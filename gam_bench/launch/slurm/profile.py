"""A launch profile: what the jobs of a cluster ask for. Resources live here and never in a suite."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from gam_bench.errors import UserError, complaints, did_you_mean
from gam_bench.files import shipped
from gam_bench.suite import yaml
from gam_bench.train.switches import Switches

DEFAULT_MINUTES = 240
"""The time limit when neither the profile nor a forecast says one: a run that takes longer is requeued."""

_OURS = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "time": "hours",
    "mem": "memory_gb",
    "cpus-per-task": "cpus",
    "gres": "gpus and gpu_type",
    "gpus-per-node": "gpus and gpu_type",
    "nodes": "processes_per_node",
    "ntasks-per-node": "processes_per_node",
    "signal": "signal_seconds",
    "array": "jobs_at_once",
    "export": "environment",
    "job-name": "nothing",
    "output": "nothing",
    "error": "nothing",
    "open-mode": "nothing",
    "requeue": "nothing",
}
"""sbatch's options that jobs set themselves, and what sets them."""


_RENAMED = {"runs_per_gpu": "runs_at_once"}
"""Old names of keys, which are still read."""


class Profile(BaseModel):
    """The keys of a profile file. GPUs, CPUs and memory are for one process, which is what most runs are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus: int = Field(0, ge=0, le=1, description="GPUs of a process; 0: the run computes on CPUs")
    gpu_type: str | None = Field(None, description="as in --gres=gpu:TYPE:1")
    cpus: int = Field(1, gt=0, description="CPUs of a process")
    memory_gb: float | None = Field(
        None, gt=0, description="memory of a process; none: the cluster's default"
    )
    hours: float | None = Field(None, gt=0, description="time limit of a job; none: from the forecast")
    processes_per_node: int = Field(8, gt=0, description="of a run with several processes")
    runs_per_job: int = Field(1, gt=0, description="short runs that share a job")
    runs_at_once: int = Field(
        1, gt=0, description="of those, how many at once; they share the GPU, or the CPUs"
    )
    jobs_at_once: int | None = Field(None, gt=0, description="of one submit; none: what the cluster allows")
    signal_seconds: int = Field(90, gt=0, description="how long before its time limit a job is told")
    setup: list[str] = Field([], description="shell lines before the job; one that fails ends it")
    environment: dict[str, str | int | float] = {}
    compile: bool = Field(False, description="torch.compile the models")
    cuda_graph: bool = Field(False, description="replay each step as one CUDA graph")
    python: str | None = Field(None, description="the interpreter on the nodes; none: the one that submits")
    sbatch: dict[str, str | int | bool] = Field({}, description="any other option of sbatch")

    @field_validator("runs_at_once")
    @classmethod
    def _in_one_job(cls, at_once: int, others: ValidationInfo) -> int:
        if at_once > others.data.get("runs_per_job", at_once):
            raise ValueError(f"must be ≤ runs_per_job ({others.data['runs_per_job']})")
        return at_once

    @field_validator("sbatch")
    @classmethod
    def _not_ours(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        for option in options:
            if option in _OURS:
                raise ValueError(f"may not hold {option!r}: it is set by {_OURS[option]}")
        return options

    @property
    def switches(self) -> Switches:
        return Switches(self.compile, self.cuda_graph)

    def parameters(self, processes: int, minutes: int) -> dict[str, Any]:
        """What sbatch is asked for a job whose runs have so many processes, in submitit's names.

        Raises UserError when the processes cannot be spread evenly over nodes.
        """
        nodes = math.ceil(processes / self.processes_per_node)
        tasks, uneven = divmod(processes, nodes)
        if uneven:
            raise UserError(
                f"{processes} processes cannot be spread evenly over nodes of processes_per_node = "
                f"{self.processes_per_node}"
            )
        gpu = ":".join(filter(None, ("gpu", self.gpu_type, str(self.gpus * tasks))))
        asked = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "nodes": nodes,
            "ntasks_per_node": tasks,
            "cpus_per_task": self.cpus,
            "mem": self.memory_gb and f"{math.ceil(self.memory_gb * tasks * 1024)}M",
            "gres": gpu if self.gpus else None,
            "time": minutes,
            "signal_delay_s": min(self.signal_seconds, minutes * 30),
            "additional_parameters": {"requeue": True, **self.sbatch},
        }
        return {key: value for key, value in asked.items() if value is not None}


def load(name: str) -> Profile:
    """The profile in a file, or a shipped one by its name (`generic`, `slurm/generic.yaml`).

    Raises UserError that lists every mistake, with its line.
    """
    path = _find(name)
    content = yaml.read(path)
    for old in _RENAMED.keys() & content.keys():
        where = f"{path}, line {content.lines[old]}"
        if _RENAMED[old] in content:
            raise UserError(f"{where}: {old!r} is the old name of {_RENAMED[old]!r}, which is there too")
        print(f"note: {where}: {old} is called {_RENAMED[old]} now", file=sys.stderr)
    lines = _renamed(content.lines)
    try:
        return Profile.model_validate(_renamed(content))
    except ValidationError as error:
        mistakes = []
        for found, (where, complaint) in zip(error.errors(), complaints(error), strict=True):
            key = str(found["loc"][0])
            if found["type"] == "extra_forbidden":
                where, complaint = (
                    repr(key),
                    f"is no key of a profile{did_you_mean(key, Profile.model_fields)}",
                )
            mistakes.append(f"{path}, line {lines[key]}: {where} {complaint}")
        raise UserError("\n".join(dict.fromkeys(mistakes))) from None


def stored(path: Path) -> Profile:
    """The profile that a submit left beside its jobs."""
    return Profile.model_validate(_renamed(json.loads(path.read_bytes())))


def _renamed(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(key, key): value for key, value in keys.items()}


def _find(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    with_shipped = shipped("slurm", f"{path.stem}.yaml")
    if with_shipped.is_file() and name in (path.stem, f"{path.stem}.yaml", f"slurm/{path.stem}.yaml"):
        return with_shipped
    known = [f"slurm/{file.name}" for file in shipped("slurm").glob("*.yaml")]
    raise UserError(f"there is no profile {name}{did_you_mean(name, known)}")
