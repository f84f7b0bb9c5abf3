"""What a source found, as a table: its own figures against each other, from `results/published/` alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gam_bench.compare.cell import sort_key
from gam_bench.compare.contrast import TASK, Contrast, Row, Side, rows
from gam_bench.compare.paired import LEVEL
from gam_bench.errors import UserError
from gam_bench.report.layout import Entry, Line, Table
from gam_bench.report.words import shown, title
from gam_bench.results.figures import DEFAULT, Figure, metric
from gam_bench.suite.sources import known_sources

GAM_PAPER = (
    "The tables of the GAM paper itself (CVPR 2023) could not be obtained: no figure here is from them."
)
_UNPAIRED = (
    "Differences are unpaired, for the runs share no seeds: Welch's 95 % t interval, for normal values. "
    "Where a setting that a fair comparison shares is unlike, the difference has an interval and no verdict. "
    "± is the sd over runs."
)


def build(source: str, metrics: Sequence[str] = ()) -> Table:
    """The table of a source's figures of one metric (test accuracy unless said otherwise).

    Raises UserError for an unknown source, and for one that has no two optimizers on one task.
    """
    chosen = metric(metrics[0] if metrics else DEFAULT)
    found = rows(source, chosen.name)
    if not found:
        raise UserError(f"{source} has no {chosen.name} of two optimizers on one task")
    return _build(source, chosen, found)


def _build(source: str, chosen: Figure, found: list[Row]) -> Table:
    varied = [name for name in TASK if len({row.task[name] for row in found}) > 1]
    columns = sorted({_column(side) for row in found for side in row.sides}, key=_order)
    found = sorted(found, key=lambda row: tuple(map(_place, varied, (row.task[name] for name in varied))))
    footnotes: dict[str, int] = {}
    lines = [line for row in found for line in _lines(row, varied, columns, chosen, footnotes)]
    figures = sum(len(row.sides) for row in found)
    return Table(
        title=f"{source}, published: {chosen.heading}, mean ± sd over runs",
        about=_about(found, varied),
        scoreboard=[f"{figures} published figures in {len(found)} rows; nothing here was run by gam-bench."],
        row_names=tuple(name.replace("_", " ") for name in varied),
        columns=tuple(f"{title(name)}{f', {tag}' if tag else ''}" for name, tag in columns),
        lines=lines,
        findings=[],
        gaps=[],
        notes=[
            _UNPAIRED,
            *(f"[{number}] {text}." for text, number in footnotes.items()),
            f"{source}: {known_sources()[source]}.",
            GAM_PAPER,
        ],
        cells=[],
        metrics=[chosen],
        data=[_record(row, side, chosen) for row in found for side in row.sides],
    )


def _lines(
    row: Row, varied: Sequence[str], columns: Sequence[Any], chosen: Figure, footnotes: dict[str, int]
) -> list[Line]:
    """Accuracy; what is above the base, and what follows; seconds an epoch."""
    sides = {_column(side): side for side in row.sides}
    against = {_column(contrast.one): contrast for contrast in row.contrasts}
    labels = tuple(shown(row.task[name] if row.task[name] != "" else None) for name in varied)
    blank = ("",) * len(labels)
    unlike = len({_batch(side) for side in row.sides}) > 1
    mark = partial(_measured, chosen=chosen, batch=unlike, footnotes=footnotes)

    def line(what: str, kind: str, texts: Sequence[str], head: tuple[str, ...] = blank) -> Line:
        where = ", ".join(filter(None, head))
        return Line(where, head, what, tuple(map(Entry, texts)), kind)

    made = [
        line(chosen.subheading, "measured", [mark(sides[c]) if c in sides else "" for c in columns], labels)
    ]
    if against:
        base = title(row.contrasts[0].other.figure.optimizer)
        told = [_difference(against[c], chosen) if c in against else "" for c in columns]
        made.append(line(f"− {base} ({chosen.points})", "side", told))
        made.append(line("so", "verdict", [conclusion(against[c]) if c in against else "" for c in columns]))
    if any(side.seconds for side in row.sides):
        spent = [f"{s.seconds:.1f}" if (s := sides.get(c)) and s.seconds else "" for c in columns]
        made.append(line("seconds an epoch", "side", spent))
    return made


def _measured(side: Side, chosen: Figure, batch: bool, footnotes: dict[str, int]) -> str:
    told = [f"n = {side.n}" if side.n else "n not stated"]
    told += [f"batch {_batch(side)}"] if batch and _batch(side) else []
    told += [f"{side.figure.epochs} epochs"] if len(side.figure.lengths) > 1 else []
    text = f"{chosen.spread_text(side.mean, side.sd)} ({', '.join(told)})"
    if side.figure.note:
        text += f" [{footnotes.setdefault(side.figure.note, len(footnotes) + 1)}]"
    return text


def _difference(contrast: Contrast, chosen: Figure) -> str:
    text = chosen.text(contrast.difference, sign=True)
    found = contrast.unpaired
    if found is None:
        return text
    return f"{text} [{chosen.text(found.low, sign=True)}, {chosen.text(found.high, sign=True)}]"


def conclusion(contrast: Contrast) -> str:
    """`GAM is better`, `n.s.`, `confounded by batch 256 against 128`, or why nothing can be said."""
    if contrast.confounders:
        told = (f"{_name(d.setting)} {_mixed(d.one)} against {_mixed(d.other)}" for d in contrast.confounders)
        return f"confounded by {', '.join(told)}"
    if contrast.unpaired is None:
        return "no spread published"
    if (contrast.unpaired.p or 0.0) >= LEVEL:
        return "n.s."
    name = title(contrast.one.figure.optimizer)
    return f"{name} is {'better' if contrast.difference > 0 else 'worse'}"


def _name(setting: str) -> str:
    return "batch" if setting == "batch_size" else setting.replace("_", " ")


def _batch(side: Side) -> str:
    return _mixed(side.figure.settings.get("batch_size", ""))


def _mixed(text: str) -> str:
    """`7×128+3×256` as `7 × 128 and 3 × 256`."""
    return text.replace("×", " × ").replace("+", " and ")


def _column(side: Side) -> tuple[str, str]:
    return (side.figure.optimizer, side.tag)


def _order(column: tuple[str, str]) -> tuple[Any, ...]:
    return (sort_key("optimizer", column[0]), column[1])


def _place(name: str, value: Any) -> tuple[Any, ...]:
    """Tables by their numbers, all else as in every table."""
    return sort_key(name, value if value != "" else None)


def _about(found: Sequence[Row], varied: Sequence[str]) -> str:
    task = found[0].task
    told = {
        name: shown(task[name]) for name in TASK if name not in varied and task[name] not in ("", None, 0.0)
    }
    told |= {"epochs": f"{task['epochs']} epochs"} if "epochs" in told else {}
    told.pop("base", None)
    return " · ".join(told.values())


def _record(row: Row, side: Side, chosen: Figure) -> dict[str, Any]:
    """A figure as JSON and CSV have it, in stored units."""
    contrast = next((found for found in row.contrasts if found.one is side), None)
    unpaired = contrast.unpaired if contrast else None
    return {
        "source": side.figure.source,
        **row.task,
        "epochs": side.figure.epochs,
        "optimizer": side.figure.optimizer,
        "settings": dict(side.figure.settings),
        "metric": chosen.name,
        "mean": side.mean,
        "sd": side.sd,
        "n": side.n,
        "seconds_per_epoch": side.seconds,
        "against": contrast.other.figure.optimizer if contrast else None,
        "difference": contrast.difference if contrast else None,
        "low": unpaired.low if unpaired else None,
        "high": unpaired.high if unpaired else None,
        "df": unpaired.df if unpaired else None,
        "conclusion": conclusion(contrast) if contrast else None,
        "note": side.figure.note,
    }
