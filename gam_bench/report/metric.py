"""The figures of a run that tables can show: name, unit, direction, and what they stand on."""

import math
from dataclasses import dataclass

from gam_bench.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Metric:
    """One result column as tables show it.

    `scale` turns the stored value into the shown one (fractions into percent); `better` is +1 where more is
    better, −1 where less is, 0 where neither. `selection` says which epoch the figure is of, `short` is the
    title below another metric's, and `spread` whether the sd over seeds is worth showing.
    """

    name: str
    title: str
    unit: str = ""
    scale: float = 1.0
    decimals: int | None = None  # None: three significant digits
    better: int = 0
    selection: str = ""
    short: str = ""
    spread: bool = True

    @property
    def heading(self) -> str:
        """For example `test accuracy (%), last epoch`."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit}{f', {self.selection}' if self.selection else ''}"

    @property
    def subheading(self) -> str:
        """The heading below another metric's, for example `test loss (nats)`."""
        return self.short or f"{self.title}{f' ({self.unit})' if self.unit else ''}"

    @property
    def points(self) -> str:
        """The unit of a difference: percent differ by points."""
        return "points" if self.unit == "%" else self.unit

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
        """The metric's own, or as many as make three significant digits."""
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


_LAST = "last epoch"
_BEST_TEST = "best test epoch (picked on the test set)"
_BEST_VALIDATION = "best validation epoch"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("test_accuracy", "test accuracy", "%", 100, 2, +1, _LAST),
        Metric("test_accuracy_at_best_validation", "test accuracy", "%", 100, 2, +1, _BEST_VALIDATION),
        Metric("best_test_accuracy", "test accuracy", "%", 100, 2, +1, _BEST_TEST),
        Metric("validation_accuracy", "validation accuracy", "%", 100, 2, +1, _LAST),
        Metric("train_accuracy", "training accuracy, running", "%", 100, 2, 0, _LAST),
        Metric("test_loss", "test loss", "nats", 1, 3, -1, _LAST),
        Metric("train_loss", "training loss, running", "nats", 1, 3, 0, _LAST),
        Metric("lambda_max", "largest Hessian eigenvalue", "", 1, None, -1, _LAST, "λmax of the Hessian"),
        Metric("hessian_trace", "Hessian trace", better=-1, selection=_LAST),
        Metric("forward_backward_passes", "forward-backward passes", better=-1),
        Metric("train_seconds", "training time", "s", better=-1),
        Metric("seconds_per_epoch", "training time an epoch", "s", better=-1),
        Metric("total_seconds", "time with evaluation", "s", better=-1),
        Metric("images_per_second", "training images a second", better=+1),
        Metric("peak_memory_bytes", "peak memory", "MiB", 1 / 2**20, 0, -1),
        Metric(
            "relative_passes",
            "passes relative to the base optimizer",
            "×",
            1,
            1,
            -1,
            "",
            "passes, × the base's",
            False,
        ),
        Metric(
            "relative_seconds",
            "training time relative to the base optimizer",
            "×",
            1,
            1,
            -1,
            "",
            "time, × the base's",
            False,
        ),
    )
}

DEFAULT = "test_accuracy"
SIDE = ("test_loss", "lambda_max", "relative_passes", "relative_seconds")
"""What stands below the accuracy in a table that has room for it."""


def metric(name: str) -> Metric:
    """The metric of this name. Raises UserError with near names."""
    if name not in METRICS:
        raise UserError(f"unknown metric {name!r}{did_you_mean(name, METRICS)}")
    return METRICS[name]
