"""Who runs a run: claim files, so that two launchers never train one run twice, on shared file systems too.

A claim is the file `claim-N` in the run's folder. Creating a file exclusively is the one primitive that every
file system gives, so the next holder is whoever creates `claim-(N+1)`, and the highest number holds the run.
Claims are only ever added until the run is done, so a holder that was thought dead finds a higher claim
when it looks, and stops (`held`).
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

BEAT_SECONDS = 20.0
"""A holder touches its claim this often."""
SILENT_SECONDS = 120.0
"""A claim of another machine that was not touched for so long is its holder's last word."""


class ClaimLost(Exception):
    """Another process has taken this run over."""


@cache
def this_machine() -> dict[str, str]:
    """What process numbers are unique in: host, boot, and process namespace (containers can share a name)."""
    return {
        "host": socket.gethostname(),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def latest(names: Iterable[str]) -> int:
    """The number of the highest claim among file names; 0 without any."""
    numbers = (name.removeprefix("claim-") for name in names if name.startswith("claim-"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def alive(path: Path) -> bool:
    """Whether the holder of this claim still runs.

    On the same machine: whether its process does. On another: whether it has touched the claim lately.
    """
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text()
    except OSError:
        return False
    try:
        holder: dict[str, Any] = json.loads(text)
    except ValueError:  # created a moment ago and not yet written, or written to a full disk
        return age < SILENT_SECONDS
    if holder.get("released"):
        return False
    if holder.get("machine") != this_machine():
        return age < SILENT_SECONDS
    try:
        started = psutil.Process(int(holder["pid"])).create_time()
    except psutil.Error:
        return False
    return abs(started - float(holder["started"])) < 2.0


@dataclass
class Claim:
    """A run that this process holds, kept alive by a thread until `release`."""

    path: Path
    number: int
    _stop: threading.Event

    @classmethod
    def take(cls, folder: Path) -> "Claim | None":
        """Claim the run in `folder`; None when another live process holds it or was quicker.

        A claim that the same SLURM job left behind is taken over at once: a job that was requeued to another
        node is the only one entitled to the run, and its former self ends at its next look.
        """
        number = latest(os.listdir(folder))
        holder = folder / f"claim-{number}"
        if number and alive(holder) and not _same_job(holder):
            return None
        path = folder / f"claim-{number + 1}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return None
        with os.fdopen(descriptor, "w") as file:
            json.dump(_holder(), file)
        claim = cls(path, number + 1, threading.Event())
        threading.Thread(target=claim._beat, name=f"beat {path}", daemon=True).start()
        return claim

    def held(self) -> None:
        """Raise ClaimLost when a higher claim exists or this one was removed."""
        if latest(os.listdir(self.path.parent)) != self.number:
            raise ClaimLost(f"{self.path.parent.name} was taken over by another process")

    def release(self) -> None:
        """Say that the holder has stopped; the file stays, so that numbers only grow."""
        self._stop.set()
        if self.path.exists():
            self.path.write_text(json.dumps(_holder() | {"released": True}))

    def finish(self) -> None:
        """Remove all claims of a run that is done."""
        self._stop.set()
        for path in self.path.parent.glob("claim-*"):
            path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                os.utime(self.path)
            except OSError:
                return


def _holder() -> dict[str, Any]:
    return {
        "machine": this_machine(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "job": _slurm_job(),
    }


def _slurm_job() -> str:
    """The SLURM job of this process, the same over requeues; empty outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")


def _same_job(path: Path) -> bool:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    mine = _slurm_job()
    same_process = holder.get("machine") == this_machine() and holder.get("pid") == os.getpid()
    return bool(mine) and holder.get("job") == mine and not same_process
