"""Every figure of a run, declared once: `result.json`, frames, exports, tables and documents follow.

A figure is kept in its stored unit; where tables show it, `title` names it and `shown_unit` is theirs.
"""

import math
from dataclasses import dataclass
from typing import Literal

from gam_bench.errors import UserError, did_you_mean

LAST = "last epoch"
BEST_TEST = "best test epoch (picked on the test set)"
BEST_VALIDATION = "best validation epoch"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure's name (of its column, too), stored unit and meaning, and how it is compared and shown.

    kind: a number, a text, or a flag (true or false).
    derived: made from other figures when results are read, so that `result.json` does not hold it.
    again: it would come out otherwise if the run were repeated (times, machines), so that two copies of a
        run may differ in it.
    title: its name in tables; empty for a figure that no table shows.
    scale: what turns the stored value into the shown one (fractions into percent).
    decimals: those shown; None for three significant digits.
    better: +1 where more is better, −1 where less is, 0 where neither.
    selection: which epoch the figure is of. short: its heading below another figure's.
    spread: whether its standard deviation over seeds is worth showing.
    """

    name: str
    meaning: str
    unit: str = ""
    kind: Literal["number", "text", "flag"] = "number"
    derived: bool = False
    again: bool = False
    title: str = ""
    shown_unit: str = ""
    scale: float = 1.0
    decimals: int | None = None
    better: int = 0
    selection: str = ""
    short: str = ""
    spread: bool = True

    @property
    def by_machine(self) -> bool:
        """Whether it tells as much of the machine as of the run, so that unlike machines are not compared."""
        return self.again and self.kind == "number"

    @property
    def judged(self) -> bool:
        """Whether one optimizer may be claimed to be better in it; what it costs is told, not claimed."""
        return self.better != 0 and not self.again and self.unit not in ("passes", "ratio")

    @property
    def heading(self) -> str:
        """For example `test accuracy (%), last epoch`."""
        return f"{self._with_unit}{f', {self.selection}' if self.selection else ''}"

    @property
    def subheading(self) -> str:
        """The heading below another figure's, for example `test loss (nats)`."""
        return self.short or self._with_unit

    @property
    def _with_unit(self) -> str:
        return f"{self.title}{f' ({self.shown_unit})' if self.shown_unit else ''}"

    @property
    def points(self) -> str:
        """The unit of a difference: percent differ by points."""
        return "points" if self.shown_unit == "%" else self.shown_unit

    def text(self, value: float | None, *, sign: bool = False) -> str:
        """A stored value in shown units; `—` for none."""
        if value is None or not math.isfinite(value):
            return "—"
        return _written(value * self.scale, self._decimals(value), sign)

    def spread_text(self, mean: float, sd: float | None) -> str:
        """`84.73 ± 1.52`, both with the decimals of the mean; the mean alone where a spread says nothing."""
        if sd is None or not self.spread:
            return self.text(mean)
        return f"{self.text(mean)} ± {_written(sd * self.scale, self._decimals(mean))}"

    def _decimals(self, value: float) -> int:
        """The figure's own, or as many as make three significant digits."""
        if self.decimals is not None:
            return self.decimals
        shown = abs(value * self.scale)
        return max(0, 2 - math.floor(math.log10(shown))) if shown else 0


def _written(value: float, decimals: int, sign: bool = False) -> str:
    """With a true minus sign, thousands apart, and an exponent where decimals would be no help."""
    if decimals > 6 or abs(value) >= 1e10:
        text = f"{value:{'+' if sign else ''}.2e}"
    else:
        text = f"{value:{'+' if sign else ''},.{decimals}f}"
    return text.replace("-", "−")


def _accuracy(name: str, meaning: str, title: str, selection: str, better: int = +1) -> Figure:
    return Figure(
        name=name, meaning=meaning, unit="fraction", title=title, shown_unit="%", scale=100, decimals=2,
        better=better, selection=selection,
    )  # fmt: skip


def _loss(name: str, meaning: str, title: str, better: int) -> Figure:
    return Figure(
        name=name, meaning=meaning, unit="nats", title=title, shown_unit="nats", decimals=3, better=better,
        selection=LAST,
    )  # fmt: skip


def _seconds(name: str, meaning: str, title: str = "", derived: bool = False) -> Figure:
    return Figure(
        name=name, meaning=meaning, unit="s", again=True, title=title, shown_unit="s", better=-1,
        derived=derived,
    )  # fmt: skip


def _relative(name: str, meaning: str, title: str, short: str, again: bool = True) -> Figure:
    return Figure(
        name=name, meaning=meaning, unit="ratio", derived=True, again=again, title=title, shown_unit="×",
        decimals=1, better=-1, short=short, spread=again,
    )  # fmt: skip


FIGURES: tuple[Figure, ...] = (
    _accuracy("test_accuracy", "last epoch", "test accuracy", LAST),
    _loss("test_loss", "cross-entropy without smoothing, last epoch", "test loss", -1),
    _accuracy("best_test_accuracy", "best epoch, picked on the test set", "test accuracy", BEST_TEST),
    Figure(name="best_test_epoch", meaning="the epoch of best_test_accuracy, from 1", unit="epoch"),
    _accuracy(
        "validation_accuracy", "last epoch; missing without a validation split", "validation accuracy", LAST
    ),
    Figure(name="validation_loss", meaning="last epoch", unit="nats"),
    Figure(name="best_validation_epoch", meaning="from 1", unit="epoch"),
    _accuracy(
        "test_accuracy_at_best_validation", "test accuracy of best_validation_epoch", "test accuracy",
        BEST_VALIDATION,
    ),
    _accuracy(
        "train_accuracy", "running, last epoch, on augmented images", "training accuracy, running", LAST, 0
    ),
    _loss("train_loss", "running, last epoch", "training loss, running", 0),
    Figure(
        name="lambda_max", meaning="largest eigenvalue of the training loss's Hessian, last epoch",
        title="largest Hessian eigenvalue", better=-1, selection=LAST, short="λmax of the Hessian",
    ),
    Figure(
        name="hessian_trace", meaning="trace of that Hessian", title="Hessian trace", better=-1,
        selection=LAST,
    ),
    Figure(name="hessian_trace_se", meaning="standard error of the trace estimate"),
    Figure(
        name="forward_backward_passes", meaning="in total, of one batch each", unit="passes",
        title="forward-backward passes", better=-1,
    ),
    Figure(name="steps", meaning="of the optimizer", unit="steps"),
    Figure(name="skipped_steps", meaning="those not taken, for a gradient that was not finite", unit="steps"),
    _seconds("train_seconds", "training alone, device-synchronised", "training time"),
    _seconds(
        "process_seconds", "processor time of training on a CPU, all threads; load leaves it alone",
        "processor time",
    ),
    _seconds("data_seconds", "the part of train_seconds in which the host waited for batches"),
    _seconds("eval_seconds", "evaluation"),
    _seconds("flatness_seconds", "measuring the Hessian"),
    _seconds("total_seconds", "training, evaluation and start-up", "time with evaluation"),
    _seconds("forecast_seconds", "what the launcher thought that the run would take"),
    _seconds("seconds_per_epoch", "train_seconds / epochs", "training time an epoch", derived=True),
    Figure(
        name="images_per_second", meaning="training images", unit="1/s", again=True,
        title="training images a second", better=+1,
    ),
    Figure(
        name="peak_memory_bytes", meaning="of the GPU; missing on a CPU", unit="bytes", again=True,
        title="peak memory", shown_unit="MiB", scale=1 / 2**20, decimals=0, better=-1,
    ),
    Figure(name="parameters", meaning="of the model"),
    Figure(name="flops_per_step", meaning="floating-point operations of a step, by torch's counter"),
    Figure(name="threads", meaning="CPU threads of the run", again=True),
    Figure(name="numerics", meaning="version of what a run computes, to the last bit; 1 where none is named"),
    Figure(name="attempts", meaning="how often the run was started", again=True),
    _relative(
        "relative_passes", "passes over the mean of the base optimizer's runs",
        "passes relative to the base optimizer", "passes, × the base's", again=False,
    ),
    _relative(
        "relative_seconds", "train_seconds over the mean of the base optimizer's runs on equal hardware",
        "training time relative to the base optimizer", "time, × the base's",
    ),
    _relative(
        "relative_process_seconds",
        "process_seconds over the mean of the base optimizer's runs on equal hardware",
        "processor time relative to the base optimizer", "processor time, × the base's",
    ),
    Figure(name="compiled", meaning="whether the model was compiled", kind="flag", again=True),
    Figure(name="cuda_graph", meaning="whether steps were replayed as a CUDA graph", kind="flag", again=True),
    Figure(name="device", meaning="cpu or cuda", kind="text", again=True),
    Figure(name="device_name", meaning="the processor's or GPU's name", kind="text", again=True),
    Figure(name="finished_at", meaning="UTC", kind="text", again=True),
)  # fmt: skip

CURVES: tuple[Figure, ...] = (
    Figure(name="epoch", meaning="from 1"),
    Figure(name="lr", meaning="learning rate of the epoch's last step"),
    Figure(name="train_loss", meaning="mean over the epoch, as seen while training", unit="nats"),
    Figure(name="train_accuracy", meaning="mean over the epoch, as seen while training", unit="fraction"),
    Figure(name="test_loss", meaning="cross-entropy without smoothing", unit="nats"),
    Figure(name="test_accuracy", meaning="at the epoch's end", unit="fraction"),
    Figure(name="validation_loss", meaning="only with a validation split", unit="nats"),
    Figure(name="validation_accuracy", meaning="only with a validation split", unit="fraction"),
    Figure(name="passes", meaning="forward-backward passes of the epoch", unit="passes"),
    Figure(name="skipped_steps", meaning="not taken, for a gradient that was not finite", unit="steps"),
    Figure(name="train_seconds", meaning="training alone", unit="s", again=True),
)
"""The figures of an epoch, in frames and exports the columns `curve_NAME`."""

STORED: dict[str, Figure] = {figure.name: figure for figure in FIGURES if not figure.derived}
"""What `result.json` holds of a finished run, apart from schema, uid and the number of epochs."""
NUMBERS = tuple(figure.name for figure in FIGURES if figure.kind == "number")
METRICS: dict[str, Figure] = {figure.name: figure for figure in FIGURES if figure.title}
"""What tables can show."""

DEFAULT = "test_accuracy"
SIDE = ("test_loss", "lambda_max", "relative_passes", "relative_seconds", "relative_process_seconds")
"""What stands below the accuracy in a table that has room for it."""


def metric(name: str) -> Figure:
    """The figure of this name that tables can show. Raises UserError with near names."""
    if name not in METRICS:
        raise UserError(f"unknown metric {name!r}{did_you_mean(name, METRICS)}")
    return METRICS[name]
