"""Do the tests notice when the code is wrong? A random sample of small faults, and the tests nearest to each.

    pip install -e '.[test,mutation]'
    python tests/mutations.py --sample 200 --seed 0

mutmut says how a place in the code can be mutated: an operator or a keyword exchanged, a number or a word
changed, an argument dropped, an assignment emptied. Here the places are drawn, one mutant each, out of the
modules that `NEAREST` names (annotations, docstrings and sentences for people are no places), and each mutant
meets its module's tests, the quickest first, until one fails or the time is up: three times what they take of
the processor on the sound code. mutmut's own runner is not used, since it leaves out all that is decorated.

Printed are the share killed and, as diffs, all survivors: each wants a test, or a reason why it is harmless.
The checkout is never touched: every worker has a copy of it in a temporary folder. It is not part of CI; 200
mutants take about an hour of one core. `--only 7,31` repeats these of the sample, after a test was written.
"""

import argparse
import difflib
import importlib.util
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

import libcst
import pytest
from mutmut.mutation.file_mutation import Mutation, create_mutations

ROOT = Path(__file__).parents[1]

NEAREST: dict[str, tuple[str, ...]] = {
    "gam_bench/optim/catalog.py": (
        "suite/test_spec.py",
        "optim/test_guards.py",
        "optim/test_optimizer.py",
        "suite/test_golden.py",
    ),
    "gam_bench/optim/losses.py": ("optim/test_losses.py",),
    "gam_bench/optim": (
        "optim/test_guards.py",
        "optim/test_optimizer.py",
        "optim/test_step.py",
        "optim/test_formulas.py",
        "optim/test_ddp.py",
    ),
    "gam_bench/train/calibrate.py": ("train/test_calibrate.py",),
    "gam_bench/train/schedule.py": ("train/test_schedule.py",),
    "gam_bench/train/flatness.py": ("train/test_flatness.py", "train/test_draws.py"),
    "gam_bench/train/member.py": ("train/test_group.py",),
    "gam_bench/train/group.py": ("train/test_group.py",),
    "gam_bench/train": (
        "train/test_clocks.py",
        "train/test_records.py",
        "train/test_switches.py",
        "train/test_run.py",
        "train/test_settings_reach_training.py",
        "train/test_group.py",
    ),
    "gam_bench/store": ("store", "train/test_run.py"),
    "gam_bench/report/compare.py": ("report/test_traps.py", "report/test_compare.py"),
    "gam_bench/report/verdict.py": ("report/test_traps.py", "report/test_verdict.py", "report/test_table.py"),
    "gam_bench/report/finding.py": ("report/test_traps.py", "report/test_table.py", "report/test_render.py"),
    "gam_bench/report/cell.py": ("report/test_traps.py", "report/test_table.py", "report/test_render.py"),
    "gam_bench/report/cost.py": (
        "report/test_traps.py",
        "report/test_cost.py",
        "report/test_table.py",
        "report/test_render.py",
    ),
    "gam_bench/launch/plan.py": ("launch/test_plan.py",),
}
"""Module or folder → its tests, in `tests/`; of several that fit, the first."""

COPY: "Copy"  # of a worker process
FORK = multiprocessing.get_context("fork")
UNNEEDED = (".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "runs", "jobs")
"""What a copy of the checkout goes without."""
HEAVY = ("torch", "torchvision", "timm", "pandas", "scipy.stats", "sklearn.datasets", "hypothesis")
"""Imported once, so that no mutant's tests wait for it."""
TOO_LONG = "not through in time"


class Limit(NamedTuple):
    """Of a set of tests: of the processor, which other work on the machine does not change, and of the clock,
    for a mutant that waits for ever."""

    cpu_seconds: int
    seconds: float


LONGEST = Limit(600, 1800.0)
"""For the sound code."""


@dataclass(frozen=True)
class Place:
    """A node of a module's syntax tree, and what mutmut would make of it."""

    module: str
    tree: libcst.Module
    mutations: list[Mutation]

    def mutated(self, chance: random.Random) -> str | None:
        """The whole module with one of them; None where none is Python, or all are what stands there."""
        for mutation in chance.sample(self.mutations, len(self.mutations)):
            made = self.tree.deep_replace(mutation.original_node, mutation.mutated_node)
            assert isinstance(made, libcst.Module)
            if made.code != self.tree.code and _compiles(made.code):
                return made.code
        return None


@dataclass(frozen=True)
class Mutant:
    """One fault: `module` as it would be."""

    number: int
    module: str
    code: str

    @property
    def tests(self) -> tuple[str, ...]:
        return next(tests for home, tests in NEAREST.items() if f"{self.module}/".startswith(f"{home}/"))

    def diff(self) -> str:
        sound = (ROOT / self.module).read_text().splitlines(keepends=True)
        lines = difflib.unified_diff(sound, self.code.splitlines(keepends=True), self.module, "mutant", n=1)
        return "".join(lines)


def sample(number: int, seed: int) -> list[Mutant]:
    """So many places, drawn without repetition from all modules together, and a mutant of each."""
    chance = random.Random(seed)
    modules = dict.fromkeys(module for home in NEAREST for module in _modules(home))
    places = [place for module in modules for place in _places(module)]
    chance.shuffle(places)
    codes = ((place, place.mutated(chance)) for place in places)
    found = ((place.module, code) for place, code in codes if code is not None)
    return [Mutant(n, module, code) for n, (module, code) in enumerate(islice(found, number))]


def _modules(home: str) -> list[Path]:
    path = ROOT / home
    if not path.exists():
        raise SystemExit(f"{home} is no module of this checkout: bring NEAREST in {__file__} up to date")
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _places(path: Path) -> list[Place]:
    tree, mutations, *_ = create_mutations(str(path), path.read_text())
    found: dict[int, list[Mutation]] = {}
    for mutation in mutations:
        node = mutation.original_node
        if not (isinstance(node, libcst.SimpleString) and " " in node.value):
            found.setdefault(id(node), []).append(mutation)
    return [Place(str(path.relative_to(ROOT)), tree, several) for several in found.values()]


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


class Copy:
    """A checkout of its own, in which one module at a time is mutated."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.output = folder.with_suffix(".txt")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*UNNEEDED), symlinks=True)

    def write(self, module: str, code: str) -> None:
        (self.folder / module).write_text(code)
        Path(importlib.util.cache_from_source(str(self.folder / module))).unlink(missing_ok=True)

    def failure(self, tests: tuple[str, ...], limit: Limit) -> str:
        """What pytest says where a test fails, `TOO_LONG` where it is not through in time; else empty."""
        process = FORK.Process(target=self._pytest, args=(tests, limit.cpu_seconds))
        process.start()
        process.join(limit.seconds)
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
        if process.exitcode in (-signal.SIGKILL, -signal.SIGXCPU):
            return TOO_LONG
        told = self.output.read_text(errors="replace")
        if process.exitcode > 2:
            raise SystemExit(f"pytest could not run {' '.join(tests)}:\n{told}")
        return told if process.exitcode else ""

    def _pytest(self, tests: tuple[str, ...], cpu_seconds: int) -> None:
        """In a process of its own, which has torch and the like already."""
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        os.chdir(self.folder)
        with self.output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.environ["PYTHONPATH"] = str(self.folder)
        sys.path.insert(0, str(self.folder))
        options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        options += [f"--basetemp={self.folder / 'temporary'}", *(f"tests/{test}" for test in tests)]
        sys.exit(pytest.main(options))

    def death(self, mutant: Mutant, limit: Limit) -> str:
        """What kills it; empty where nothing does."""
        sound = (ROOT / mutant.module).read_text()
        self.write(mutant.module, mutant.code)
        try:
            return self.failure(mutant.tests, limit)
        finally:
            self.write(mutant.module, sound)


def limits(copy: Copy, mutants: list[Mutant]) -> dict[tuple[str, ...], Limit]:
    """For each set of tests, which must pass on the sound code."""
    found: dict[tuple[str, ...], Limit] = {}
    sets = sorted({mutant.tests for mutant in mutants})
    for tests in sets:
        tell(f"the sound code's tests, {len(found)} of {len(sets)} sets")
        began, used = time.monotonic(), _cpu_seconds()
        if failure := copy.failure(tests, LONGEST):
            raise SystemExit(f"{failure}\nThe sound code fails {' '.join(tests)}: mutants would tell nothing")
        found[tests] = Limit(20 + 3 * int(_cpu_seconds() - used), 120 + 10 * (time.monotonic() - began))
    return found


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def deaths(mutants: list[Mutant], workers: int, folder: Path) -> list[str]:
    """What kills each mutant; empty for the survivors, which are told one by one."""
    copies = FORK.SimpleQueue()
    for worker in range(workers):
        copies.put(Copy(folder / str(worker)))
    allowed = limits(Copy(folder / "sound"), mutants)
    found: list[str] = []
    with ProcessPoolExecutor(workers, FORK, initializer=_adopt, initargs=(copies,)) as pool:
        dying = pool.map(_death, mutants, [allowed[mutant.tests] for mutant in mutants])
        for mutant, death in zip(mutants, dying, strict=True):
            found.append(death)
            if not death:
                print(f"\n{mutant.number} survives\n{mutant.diff()}", flush=True)
            tell(f"{len(found)} of {len(mutants)} mutants, {found.count('')} survive")
    print(file=sys.stderr)
    return found


def _adopt(copies: Any) -> None:
    global COPY
    COPY = copies.get()


def _death(mutant: Mutant, limit: Limit) -> str:
    return COPY.death(mutant, limit)


def tell(progress: str) -> None:
    print(f"\r{progress:60}", end="", file=sys.stderr, flush=True)


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--sample", type=int, default=200, help="how many mutants (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--only", default="", help="numbers of the sample, as in 7,31 (default: all)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores, help=f"at a time (default: {cores}, the cores)")
    given = parser.parse_args()
    os.chdir(ROOT)  # where mutmut reads its settings
    for package in HEAVY:
        importlib.import_module(package)
    mutants = sample(given.sample, given.seed)
    if given.only:
        wanted = {int(number) for number in given.only.split(",")}
        mutants = [mutant for mutant in mutants if mutant.number in wanted]
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        found = deaths(mutants, given.workers, Path(folder))
    dead = len(found) - found.count("")
    share = f"{dead / len(found):.1%}, {found.count(TOO_LONG)} by time"
    print(f"{dead} of {len(found)} mutants killed ({share}), seed {given.seed}")
    if left := [str(mutant.number) for mutant, death in zip(mutants, found, strict=True) if not death]:
        print(f"survivors: {', '.join(left)}")


if __name__ == "__main__":
    main()
