"""Figures by matplotlib: learning curves, accuracy against cost, flatness against accuracy. One panel a task.

The page embeds single panels as SVG; `gam-bench plot` writes all panels of a kind as one PNG, PDF or SVG.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gam_bench.compare.cell import sort_key, telling
from gam_bench.compare.cost import pareto
from gam_bench.report.words import shown, title

COLOURS = {
    "sgd": "#6b7280", "adam": "#57534e", "adamw": "#a16207", "sam": "#d97706", "gam": "#2563eb",
    "exact-gam": "#0f766e", "sam+gam": "#9333ea",
}  # fmt: skip
MARKERS = {"sgd": "o", "adam": "P", "adamw": "X", "sam": "s", "gam": "D", "exact-gam": "^", "sam+gam": "v"}
OTHER = "#be185d"
INK, GRID = "#1f2937", "#d1d5db"
KINDS = ("curves", "cost", "flatness", "trace")
SHARPNESS = {
    "flatness": ("lambda_max", "λmax of the Hessian"),
    "trace": ("hessian_trace", "trace of the Hessian"),
}
_STYLE: Any = {
    "svg.hashsalt": "gam-bench", "svg.fonttype": "none", "pdf.fonttype": 42,
    "font.family": "sans-serif", "font.size": 9, "text.color": INK,
    "axes.titlesize": 10, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GRID, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.5,
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 8,
}  # fmt: skip
_SIZE = (4.4, 3.1)


@dataclass(frozen=True)
class Panel:
    """One pair of axes: its kind, the task it is of, and the function that draws it."""

    kind: str
    task: str
    draw: Callable[[Axes], None]


def panels(frame: pd.DataFrame) -> Iterator[Panel]:
    """The panels that the finished runs can fill, task by task. `frame` should hold curves (see
    `frame.load`)."""
    done = frame[frame["state"] == "done"]
    row = telling(frame)
    varied = [name for name in row if name not in ("dataset", "label_noise", "model", "augmentation")]
    task = [name for name in row if name not in varied]
    for name, runs in _tasks(done, task):
        groups = _groups(runs, varied)
        if "curve_test_accuracy" in runs and any(
            len(curve) > 1 for curve in runs["curve_test_accuracy"].dropna()
        ):
            yield Panel("curves", name, _bind(_curves, groups))
        yield Panel("cost", name, _bind(_cost, groups))
        for kind, (column, _) in SHARPNESS.items():
            if runs[column].notna().any():
                yield Panel(kind, name, _bind(partial(_flatness, kind=kind), groups))


def _bind(function: Callable[[Axes, Any], None], groups: Any) -> Callable[[Axes], None]:
    return lambda axes: function(axes, groups)


Groups = list[tuple[str, str, pd.DataFrame]]
"""Label, optimizer, runs."""


def _tasks(done: pd.DataFrame, task: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    if not len(done):
        return
    if not task:
        yield str(done["dataset"].iat[0]), done
        return
    found = [
        (key if isinstance(key, tuple) else (key,), runs)
        for key, runs in done.groupby(list(task), dropna=False)
    ]
    for key, runs in sorted(found, key=lambda item: tuple(map(sort_key, task, item[0]))):
        named = (
            shown(v) if isinstance(v, str) else f"{n.replace('_', ' ')} {shown(v)}"
            for n, v in zip(task, key, strict=True)
        )
        yield ", ".join(named), runs


def _groups(runs: pd.DataFrame, varied: Sequence[str]) -> Groups:
    found = []
    for key, group in runs.groupby(["optimizer", *varied], dropna=False):
        optimizer = str(key[0])
        more = [
            f"{name.replace('_', ' ')} {shown(value)}"
            for name, value in zip(varied, key[1:], strict=True)
            if value == value
        ]
        found.append(
            (sort_key("optimizer", optimizer), ", ".join([title(optimizer), *more]), optimizer, group)
        )
    return [
        (label, optimizer, group) for _, label, optimizer, group in sorted(found, key=lambda item: item[:2])
    ]


def _colour(optimizer: str) -> str:
    return COLOURS.get(optimizer, OTHER)


def _curves(axes: Axes, groups: Groups) -> None:
    """Test accuracy over epochs: mean over seeds, band ± sd."""
    for place, (label, optimizer, runs) in enumerate(groups):
        curves = [np.asarray(curve) * 100 for curve in runs["curve_test_accuracy"].dropna() if len(curve)]
        if not curves:
            continue
        length = min(map(len, curves))
        values = np.array([curve[:length] for curve in curves])
        epochs = np.arange(1, length + 1)
        mean = values.mean(axis=0)
        style = ("-", "--", ":", "-.")[_repeat(groups, place) % 4]
        axes.plot(epochs, mean, style, color=_colour(optimizer), linewidth=1.6, label=label)
        if len(values) > 1:
            sd = values.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - sd, mean + sd, color=_colour(optimizer), alpha=0.18, linewidth=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")


def _repeat(groups: Groups, place: int) -> int:
    """How many earlier groups have this one's optimizer."""
    return sum(optimizer == groups[place][1] for _, optimizer, _ in groups[:place])


def _cost(axes: Axes, groups: Groups) -> None:
    """Mean accuracy ± sd against passes; the line joins what nothing cheaper or better beats."""
    costs, means = [], []
    for label, optimizer, runs in groups:
        passes, accuracy = runs["forward_backward_passes"].mean(), runs["test_accuracy"] * 100
        spread = accuracy.std(ddof=1) if len(accuracy) > 1 else 0.0
        axes.errorbar(
            passes, accuracy.mean(), yerr=spread, fmt=MARKERS.get(optimizer, "*"), color=_colour(optimizer),
            markersize=6, capsize=2, linewidth=1, label=label,
        )  # fmt: skip
        costs.append(float(passes))
        means.append(float(accuracy.mean()))
    front = sorted((c, m) for c, m, best in zip(costs, means, pareto(costs, means), strict=True) if best)
    axes.plot(*zip(*front, strict=True), color=INK, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xscale("log")
    ticks = sorted({cost for cost in costs if cost > 0})
    if len(ticks) <= 6:
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.minorticks_off()
    axes.margins(x=0.15)
    axes.set_xlabel("forward-backward passes")
    axes.set_ylabel("test accuracy (%)")
    axes.legend(loc="best")


def _flatness(axes: Axes, groups: Groups, kind: str) -> None:
    """A point a run: a figure of the Hessian against test accuracy."""
    column, name = SHARPNESS[kind]
    for label, optimizer, runs in groups:
        axes.plot(
            runs[column], runs["test_accuracy"] * 100, MARKERS.get(optimizer, "*"), color=_colour(optimizer),
            markersize=5.5, alpha=0.85, markeredgewidth=0, label=label,
        )  # fmt: skip
    values = np.concatenate([runs[column].dropna().to_numpy() for _, _, runs in groups])
    if len(values) and values.min() > 0 and values.max() / values.min() > 5:
        axes.set_xscale("log")
    axes.set_xlabel(f"{name} (sharper →)")
    axes.set_ylabel("test accuracy (%)")
    axes.legend(loc="best")


def svg(panel: Panel) -> str:
    """One panel as an SVG element for an HTML page: colours are the page's variables, text is text."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        panel.draw(figure.add_subplot())
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    for name, colour in {
        **{name.replace("+", "-"): c for name, c in COLOURS.items()},
        "other": OTHER,
    }.items():
        text = text.replace(colour, f"var(--{name})")
    text = text.replace(INK, "var(--ink)").replace(GRID, "var(--line)")
    label = f"{panel.kind}: {panel.task}".replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def save(found: Sequence[Panel], path: Path) -> None:
    """All panels on one sheet; the ending of `path` says the format: png, pdf or svg."""
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, found, strict=False):
            panel.draw(axes)
            axes.set_title(panel.task)
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        metadata = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[
            path.suffix.removeprefix(".")
        ]
        figure.savefig(path, dpi=200, metadata=metadata)
