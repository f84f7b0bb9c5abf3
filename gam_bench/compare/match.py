"""Which published figures a measured cell answers to, and in what two recipes differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gam_bench.results.published import PublishedFigure, figures


@dataclass(frozen=True)
class Difference:
    """A setting in which two recipes differ, and its values, None where a recipe has no such setting."""

    setting: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Match:
    """A published figure beside a measured cell.

    `unlike`: the settings in which the figure (one) and the cell (other) differ. `remarks`: what else may
    keep them from being one recipe, the figure's own note included.
    """

    figure: PublishedFigure
    unlike: tuple[Difference, ...]
    remarks: tuple[str, ...]


def matches(settings: Mapping[str, Any], metric: str) -> list[Match]:
    """The published figures for a cell with these settings, the most alike and best supported first.

    Data set, label noise, model, augmentation, optimizer, base and epochs must agree. What else the source
    states and the cell does differently is named, and so is what the source leaves open.
    """
    found = [
        _match(figure, settings)
        for figure in _by_place().get((settings["dataset"], settings["model"], settings["optimizer"]), ())
        if figure.metric == metric and _same(figure, settings)
    ]
    return sorted(found, key=lambda match: (len(match.unlike), -(match.figure.n or 0)))


@cache
def _by_place() -> dict[tuple[str, str, str], list[PublishedFigure]]:
    places: dict[tuple[str, str, str], list[PublishedFigure]] = {}
    for figure in figures():
        places.setdefault((figure.dataset, figure.model, figure.optimizer), []).append(figure)
    return places


def _same(figure: PublishedFigure, settings: Mapping[str, Any]) -> bool:
    return (
        figure.base == settings["base"]
        and figure.epochs == settings["epochs"]
        and math.isclose(figure.label_noise, settings["label_noise"])
        and figure.augmentation in ("", settings["augmentation"])
    )


def _match(figure: PublishedFigure, settings: Mapping[str, Any]) -> Match:
    unlike = [
        Difference(name, text, settings.get(name))
        for name, text in figure.settings.items()
        if not _equal(text, settings.get(name))
    ]
    unstated = ("augmentation not stated there",) if not figure.augmentation else ()
    return Match(figure, tuple(unlike), (*unstated, *((figure.note,) if figure.note else ())))


def _equal(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return math.isclose(float(text), value)
    return text == value
