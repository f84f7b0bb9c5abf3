"""A run's folder: its files, its state, and the rule that nothing in it is ever silently replaced."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from gam_bench.errors import UserError
from gam_bench.files import write_atomically
from gam_bench.store import claim
from gam_bench.suite.spec import RunSpec

SCHEMA = 1


class State(StrEnum):
    """Where a run stands. `stale`: it was begun and nobody runs it now; it will go on where it stopped."""

    MISSING = "missing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DIVERGED = "diverged"
    STALE = "stale"

    @property
    def failure(self) -> bool:
        """It failed or diverged: it is tried again when asked to."""
        return self in (State.FAILED, State.DIVERGED)

    @property
    def over(self) -> bool:
        """It is done, failed or diverged: nobody goes on with it unasked."""
        return self == State.DONE or self.failure

    @property
    def open(self) -> bool:
        """It is missing or stale: nobody is at it, and whoever launches the suite takes it up."""
        return self in (State.MISSING, State.STALE)


class Failure(NamedTuple):
    """What stopped a run: FAILED or DIVERGED, and the first line of its error."""

    state: State
    line: str


@dataclass(frozen=True)
class RunFolder:
    """`RESULTS/runs/UID` and the files in it."""

    path: Path

    @classmethod
    def of(cls, results: Path, uid: str) -> "RunFolder":
        return cls(results / "runs" / uid)

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def state(self) -> State:
        """The run's state, from the names in the folder; reads a file only where one must be read."""
        try:
            names = os.listdir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return State.MISSING
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from None
        if "result.json" in names:
            return State.DONE
        number = claim.latest(names)
        if number and claim.alive(self.path / f"claim-{number}"):
            return State.RUNNING
        if "error.txt" in names and (failure := self.failure()):
            return failure.state
        return State.STALE if number or "checkpoint.pt" in names else State.MISSING

    def begin(self, spec: RunSpec) -> None:
        """Make the folder and store the spec, or check the one that is stored.

        Raises UserError when the folder cannot be written, or holds another spec.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None
        if (self.path / "spec.json").exists():
            self.check(spec)
            return
        content = {"schema": SCHEMA, "uid": spec.uid, "spec": spec.model_dump()}
        try:
            write_atomically(self.path / "spec.json", _json(content))
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}") from None

    def check(self, spec: RunSpec) -> None:
        """Raise UserError, naming setting, stored and asked value, when the folder holds another spec."""
        stored = _read_json(self.path / "spec.json")
        if stored is None:
            return
        schema = stored.get("schema")
        if schema != SCHEMA:
            raise UserError(f"{self.path / 'spec.json'} has schema {schema}; this version reads {SCHEMA}")
        was, asked = _flattened(stored.get("spec", {})), _flattened(spec.model_dump())
        # A setting that the stored spec lacks came with a later version, at a default that changes nothing.
        differs = [key for key in was if key not in asked or was[key] != asked[key]]
        if differs:
            changes = ", ".join(f"{key} is {was.get(key)!r}, asked for {asked.get(key)!r}" for key in differs)
            raise UserError(
                f"{self.path / 'spec.json'} holds another run: {changes}. "
                "Set it in the suite as it was, or use another --results folder"
            )

    def result(self) -> dict[str, Any] | None:
        """The figures of a finished run; None while there are none. Raises UserError for a damaged file."""
        return _read_json(self.path / "result.json")

    def environment(self) -> dict[str, Any] | None:
        """Where the run was last started: versions, hardware, commit."""
        return _read_json(self.path / "environment.json")

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        write_atomically(self.path / "environment.json", _json(dict(environment)))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """The last file of a run, by one rename: its presence alone means done."""
        content = {"schema": SCHEMA, "uid": self.path.name} | dict(result)
        write_atomically(self.path / "result.json", _json(content))

    def metrics(self) -> list[dict[str, Any]]:
        """The epochs so far, oldest first. A last line that was cut off in mid-write is left out."""
        try:
            text = (self.path / "metrics.jsonl").read_text()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"cannot read {self.path / 'metrics.jsonl'}: {error.strerror}") from None
        lines = []
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
        return lines

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def rewind(self, epoch: int) -> None:
        """Drop the metrics after `epoch`, those of a death between metrics and checkpoint."""
        path = self.path / "metrics.jsonl"
        if path.exists():
            kept = [line for line in self.metrics() if line["epoch"] <= epoch]
            write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))

    def error(self) -> str:
        """What stopped a failed run: its summary line, then details; empty when nothing did."""
        try:
            return (self.path / "error.txt").read_text(errors="replace")
        except OSError:
            return ""

    def failure(self) -> Failure | None:
        """How the run failed; None when it did not."""
        line = self.error().partition("\n")[0]
        if not line and not (self.path / "error.txt").exists():
            return None
        return Failure(State.DIVERGED if line.startswith("diverged") else State.FAILED, line or "failed")

    def write_error(self, summary: str, details: str = "") -> None:
        write_atomically(self.path / "error.txt", f"{summary}\n{details}")

    def forgive(self) -> None:
        """Set a failure aside, kept under a numbered name, so that the run is tried again."""
        path = self.path / "error.txt"
        if path.exists():
            number = 1 + sum(1 for _ in self.path.glob("error-*.txt"))
            path.rename(self.path / f"error-{number}.txt")

    def set_aside(self) -> Path | None:
        """Move the whole folder to `RESULTS/replaced`, so that the run starts anew and nothing is lost."""
        if not self.path.exists():
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        target = self.path.parents[1] / "replaced" / f"{self.path.name}-{stamp}"
        target.parent.mkdir(exist_ok=True)
        return self.path.rename(target)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(
            f"{path} is damaged ({error}); move its folder away and the run will be done again"
        ) from None
    if not isinstance(content, dict):
        raise UserError(
            f"{path} is damaged (no mapping); move its folder away and the run will be done again"
        )
    return content


def _flattened(spec: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in spec.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return flat
