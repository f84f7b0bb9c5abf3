"""Which run went into which job: RESULTS/jobs/jobs.jsonl, a line a job, and the lock around it."""

import fcntl
import getpass
import json
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gam_bench.errors import UserError
from gam_bench.store.scan import Standing


@dataclass(frozen=True)
class Entry:
    """A submitted job: its id, its runs, who submitted it; `submission` is its folder in RESULTS/jobs."""

    job: str
    uids: tuple[str, ...]
    suite: str
    user: str
    submission: str

    def log(self, results: Path) -> Path:
        """The job's output, and its errors in between."""
        return results / "jobs" / self.submission / f"{self.job}_0_log.out"


class Ledger:
    """The jobs of one results folder, in the order of their submission."""

    def __init__(self, results: Path):
        self._folder = results / "jobs"
        self._file = self._folder / "jobs.jsonl"

    def entries(self) -> list[Entry]:
        """All jobs submitted. A line that was cut off in mid-write is left out; claims guard its runs."""
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"cannot read {self._file}: {error.strerror}") from None
        entries = []
        for line in text.splitlines():
            try:
                fields = json.loads(line)
                entries.append(Entry(**fields | {"uids": tuple(fields["uids"])}))
            except (ValueError, TypeError, KeyError):
                continue
        return entries

    def users(self) -> set[str]:
        """Whose jobs are in it."""
        return {entry.user for entry in self.entries()}

    def add(self, entries: Iterable[Entry]) -> None:
        lines = [json.dumps(asdict(entry)) for entry in entries]
        with self._file.open("a") as file:
            file.write("\n".join(["", *lines, ""]))  # begins a new line whatever stands before it

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other submits out of this results folder. A submit that dies lets go of it.

        Where the file system has no locks, two submits at once may queue a run twice; claims then see to it
        that it is still run once. Raises UserError when the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / "lock").open("a")
        except OSError as error:
            raise UserError(f"cannot write to {self._folder}: {error.strerror}") from None
        with file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def not_queued(todo: Iterable[Standing], entries: Iterable[Entry], jobs: Container[str]) -> list[Standing]:
    """Those of `todo` that none of the live `jobs` holds; a job is through with its failed runs."""
    last = last_of_each_run(entries)
    return [s for s in todo if s.state.over or s.run.uid not in last or last[s.run.uid].job not in jobs]


def last_of_each_run(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The newest job of each run, by uid."""
    return {uid: entry for entry in entries for uid in entry.uids}


def user() -> str:
    return getpass.getuser()
