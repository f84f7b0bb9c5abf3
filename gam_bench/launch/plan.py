"""What is to be launched: a pure decision from where each run stands."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gam_bench.store.folder import State
from gam_bench.store.scan import Standing


@dataclass(frozen=True)
class Plan:
    """The runs of a suite, sorted into those to launch and those to leave alone.

    `anew`: what there is of the runs to launch is set aside first.
    """

    standings: tuple[Standing, ...]
    todo: tuple[Standing, ...]
    anew: bool = False

    def counts(self) -> dict[State, int]:
        """How many runs are in each state; states without runs are left out."""
        counted = Counter(standing.state for standing in self.standings)
        return {state: counted[state] for state in State if counted[state]}

    def summary(self) -> str:
        """For example `18 runs: 12 done, 1 failed, 5 missing`."""
        parts = ", ".join(f"{number} {state}" for state, number in self.counts().items())
        return f"{len(self.standings)} run{'s' * (len(self.standings) != 1)}: {parts or 'none'}"


def plan(standings: Sequence[Standing], *, retry_failed: bool = False, force: bool = False) -> Plan:
    """Decide what to launch: what is missing or stale, failed runs when asked to; with force all, anew.

    Runs that another launcher is at are never launched.
    """

    def launched(state: State) -> bool:
        return state.open or (force and state.over) or (retry_failed and state.failure)

    return Plan(tuple(standings), tuple(s for s in standings if launched(s.state)), anew=force)


def order(todo: Sequence[Standing], cost: Callable[[Standing], float]) -> list[Standing]:
    """The order of launching: the longest task first, in a task seed by seed, in a seed the longest run.

    Long tasks first leave short ones for the end, which keeps all workers busy. Seed by seed, all optimizers
    of a seed run at about the same time, so that no load that comes and goes falls on one optimizer alone,
    and every seed that is done can be compared.
    """
    longest: dict[tuple[object, ...], float] = {}
    for standing in todo:
        task = _task(standing)
        longest[task] = max(longest.get(task, 0.0), cost(standing))
    return sorted(todo, key=lambda s: (-longest[_task(s)], s.run.spec.seed, -cost(s)))


def _task(standing: Standing) -> tuple[object, ...]:
    spec = standing.run.spec
    return spec.dataset, spec.label_noise, spec.model, spec.augmentation
