"""Which published figures a measured cell answers to, and in what two recipes differ."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gam_bench.compare.verdict import Judgement
from gam_bench.results.published import PublishedFigure, figures, same_value
from gam_bench.results.recipes import recipe
from gam_bench.suite.spec import OWN_SETTINGS, default


@dataclass(frozen=True)
class Difference:
    """A setting in which two recipes differ, and its values, None where a recipe has no such setting."""

    setting: str
    one: Any
    other: Any


@dataclass(frozen=True)
class Match:
    """A published figure beside a measured cell.

    `unlike`: the settings, known on both sides, in which the figure (one) and the cell (other) differ.
    `remarks`: what else may keep them from being one recipe, the figure's own note included. `judgement`: the
    verdict, which a figure of the same recipe alone gets.
    """

    figure: PublishedFigure
    unlike: tuple[Difference, ...]
    remarks: tuple[str, ...]
    judgement: Judgement | None = None

    @property
    def same(self) -> bool:
        """Whether every setting that is known on both sides agrees."""
        return not self.unlike


def matches(settings: Mapping[str, Any], metric: str) -> list[Match]:
    """The published figures for a cell with these settings, the best supported first.

    Data set, label noise, model, augmentation, optimizer, base and epochs make the question: where one of
    them is known to be another, the figure is not of this cell. In what else is known on both sides, and
    differs, the two are of different recipes. What the source leaves open is said.
    """
    place = (settings["dataset"], settings["model"], settings["optimizer"])
    found = [
        _match(figure, settings)
        for figure in _by_place().get(place, ())
        if figure.metric == metric and _same_question(figure, settings)
    ]
    return sorted(found, key=lambda match: (-(match.figure.n or 0), len(match.unlike)))


@cache
def _by_place() -> dict[tuple[str, str, str], list[PublishedFigure]]:
    places: dict[tuple[str, str, str], list[PublishedFigure]] = {}
    for figure in figures():
        places.setdefault((figure.dataset, figure.model, figure.optimizer), []).append(figure)
    return places


def _same_question(figure: PublishedFigure, settings: Mapping[str, Any]) -> bool:
    return (
        figure.base == settings["base"]
        and (not figure.lengths or settings["epochs"] in figure.lengths)
        and math.isclose(figure.label_noise, settings["label_noise"])
        and figure.augmentation in ("", settings["augmentation"])
    )


def _match(figure: PublishedFigure, settings: Mapping[str, Any]) -> Match:
    unlike = tuple(
        Difference(name, text, known(settings, name))
        for name, text in recipe(figure).items()
        if is_known(settings, name) and not same_value(text, known(settings, name))
    )
    open_there = [
        f"{name} not stated there"
        for name, stated in (("augmentation", figure.augmentation), ("epochs", figure.epochs))
        if not stated
    ]
    return Match(figure, unlike, (*open_there, *((figure.note,) if figure.note else ())))


def known(settings: Mapping[str, Any], name: str) -> Any:
    """A run's setting; one that it does not name has the default that every run has."""
    return settings[name] if name in settings or name not in OWN_SETTINGS else default(name)


def is_known(settings: Mapping[str, Any], name: str) -> bool:
    """Whether a cell has such a setting at all (SGD has no ρ), and what it is."""
    return name in settings or (name in OWN_SETTINGS and name in _OPTIONAL)


_OPTIONAL = frozenset(OWN_SETTINGS) - {"dataset", "model", "optimizer", "lr", "epochs", "batch_size", "seed"}
"""The settings that a run may leave at their defaults."""
