"""`results/COLUMNS.md`, made from what is declared: `python -m gam_bench.results.columns > …/COLUMNS.md`."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from gam_bench.results.figures import CURVES, FIGURES, Figure
from gam_bench.results.frame import HEAD, TAIL
from gam_bench.suite.spec import COMPONENTS, OWN_SETTINGS, RunSpec

FILES = {
    "spec.json": "the run's settings, every default resolved, with schema and uid; written first",
    "environment.json": "versions, hardware, commit and job of the process that last started the run",
    "metrics.jsonl": "a line an epoch, see *Epochs*",
    "checkpoint.pt": "weights, optimizer state and clocks after the last finished epoch",
    "result.json": "the figures of the finished run; written last, by one rename: its presence means done",
    "error.txt": "what stopped a failed or diverged run; set aside as error-N.txt when it is tried again",
    "claim-N": "who runs it: the highest number holds the run; gone once it is done",
    "log.txt": "what the processes of a data-parallel run said",
}
ENVIRONMENT: dict[str, tuple[str, str]] = {
    "gam_bench": ("", "version of this package"),
    "git_commit": ("", "its commit; missing where nobody knows"),
    "git_dirty": ("", "True where the code differed from that commit"),
    "python": ("", "version"),
    "torch": ("", "version"),
    "torchvision": ("", "version"),
    "timm": ("", "version"),
    "numpy": ("", "version"),
    "pandas": ("", "version"),
    "cuda": ("", "torch's CUDA version, on a GPU"),
    "cudnn": ("", "version, on a GPU"),
    "platform": ("", "operating system"),
    "hostname": ("", "the machine's name"),
    "cpu_name": ("", "the processor, as its maker names it"),
    "cores": ("", "cores that the process might use"),
    "threads": ("", "torch's CPU threads"),
    "gpu_name": ("", "the GPU"),
    "driver": ("", "its driver"),
    "gpu_power_limit_watts": ("W", "enforced limit"),
    "gpu_clock_mhz": ("MHz", "highest clock of its processors"),
    "gpu_memory_clock_mhz": ("MHz", "highest clock of its memory"),
    "gpu_details": ("", "why the driver told none of these"),
    "slurm_job_id": ("", "the job it ran in"),
}
"""Columns `env_NAME`: unit and meaning."""

_HEAD = """\
# Run folders, exports and their columns

Made from the code by `python -m gam_bench.results.columns > results/COLUMNS.md`; a test holds it.

A run folder is `RESULTS/runs/UID`. `gam-bench export` writes one file with a row a run: `runs.jsonl` keeps
types, and leaves out what a run does not have; `runs.csv` has the same columns, empty where there is nothing,
curves as numbers with spaces between. `schema` (1) is the version of that layout. `gam_bench.results.load`
gives either, and run folders, as one pandas DataFrame. Everything is in stored units: accuracies are
fractions, losses nats, times seconds.
"""


def page() -> str:
    """The whole document, as Markdown."""
    parts = [
        _HEAD,
        _section("Files of a run folder", ("file", "what it is"), FILES.items()),
        _section("Identity and state", ("column", "meaning"), HEAD.items()),
        _section("Settings of every run", ("column", "default", "meaning"), _settings(_own())),
        *(
            _section(f"Settings of {part} `{name}`", ("column", "default", "meaning"), _settings(fields))
            for part, name, fields in _brought()
        ),
        _section("Figures", ("column", "unit", "meaning"), map(_figure, FIGURES)),
        _section("Epochs", ("column", "unit", "meaning"), (_figure(figure, "curve_") for figure in CURVES)),
        _section("Environment", ("column", "unit", "meaning"), _environment()),
        _section("Words", ("column", "meaning"), TAIL.items()),
    ]
    return "\n".join(parts)


def _section(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _own() -> dict[str, FieldInfo]:
    return {name: field for name, field in RunSpec.model_fields.items() if name in OWN_SETTINGS}


def _brought() -> Iterable[tuple[str, str, Mapping[str, FieldInfo]]]:
    """The components that have settings of their own; those with equal ones together."""
    for part, catalogue in COMPONENTS.items():
        groups: dict[Any, list[str]] = {}
        for name, entry in catalogue.items():
            groups.setdefault(entry.settings, []).append(name)
        for settings, names in groups.items():
            if settings.model_fields:
                yield part, "`, `".join(names), settings.model_fields


def _settings(fields: Mapping[str, FieldInfo]) -> Iterable[tuple[str, str, str]]:
    for name, field in fields.items():
        default = "must be given" if field.is_required() else str(field.default).lower()
        yield name, default, field.description or ""


def _figure(figure: Figure, prefix: str = "") -> tuple[str, str, str]:
    derived = "; made when results are read" if figure.derived else ""
    return (
        prefix + figure.name,
        figure.unit or {"text": "text", "flag": "true or false"}.get(figure.kind, ""),
        figure.meaning + derived,
    )


def _environment() -> Iterable[tuple[str, str, str]]:
    return ((f"env_{name}", unit, meaning) for name, (unit, meaning) in ENVIRONMENT.items())


if __name__ == "__main__":
    print(page(), end="")
