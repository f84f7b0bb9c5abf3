"""RunSpec: everything that can change a number of one run, fully resolved, and its identity."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gam_bench.data.catalog import AUGMENTATIONS, DATASETS
from gam_bench.errors import UserError, complaints, did_you_mean
from gam_bench.models import catalog as models
from gam_bench.optim.catalog import BASES, OPTIMIZERS

Scalar = bool | int | float | str | None

COMPONENTS: dict[str, Mapping[str, Any]] = {
    "augmentation": AUGMENTATIONS,
    "optimizer": OPTIMIZERS,
    "base": BASES,
}
"""The parts of a run that bring settings of their own, and their catalogues."""


class BadSettings(UserError):
    """Settings that make no run: what is wrong with each, as (setting, complaint)."""

    def __init__(self, findings: list[tuple[str, str]]):
        self.findings = findings
        super().__init__("\n".join(f"{setting} {complaint}" for setting, complaint in findings))


class RunSpec(BaseModel):
    """One run: a model trained on a data set by an optimizer from one seed.

    What cannot change a number (device index, workers, folders, cluster) is not here. Made by `resolve`
    from flat settings; `X_settings` holds what component X brings (its ρ, its cutout size, …).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    dataset: str = Field(description="a name of `gam-bench list datasets`")
    validation: float = Field(0.0, ge=0, lt=1, description="share of the training images held out")
    label_noise: float = Field(0.0, ge=0, le=1, description="share of the training labels drawn anew")
    image_size: int | None = Field(None, gt=0, description="pixels a side; none: the data set's own")
    augmentation: str = Field("none", description="a name of `gam-bench list augmentations`")
    augmentation_settings: dict[str, Scalar] = {}
    model: str = Field(description="a name of `gam-bench list models`")
    pretrained: bool = Field(False, description="start from timm's pretrained weights")
    optimizer: str = Field(description="a name of `gam-bench list optimizers`")
    optimizer_settings: dict[str, Scalar] = {}
    base: str = Field("sgd", description="what takes the step; of a plain optimizer, itself")
    base_settings: dict[str, Scalar] = {}
    lr: float = Field(gt=0, description="peak learning rate")
    weight_decay: float = Field(0.0, ge=0, description="of the base optimizer, on every parameter")
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "constant", description="how the learning rate goes from lr, after the warm-up, to min_lr"
    )
    schedule_every: Literal["epoch", "step"] = Field(
        "epoch", description="how often the schedule moves the learning rate"
    )
    warmup_epochs: float = Field(0.0, ge=0, description="epochs of linear growth from 0")
    min_lr: float = Field(0.0, ge=0, description="learning rate at the end of the schedule")
    epochs: int = Field(gt=0, description="passes over the training images")
    batch_size: int = Field(gt=0, description="images a step, over all processes")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="as in torch: s/K on every class")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the final gradient")
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32", description="of matrix products and convolutions; bf16: autocast, weights stay fp32"
    )
    perturbation: Literal["local", "global"] = Field(
        "local", description="of several processes: by each one's own gradient, or by the mean of all"
    )
    processes: int = Field(1, gt=0, description="data-parallel processes; they change m of m-sharpness")
    micro_batch: int | None = Field(None, gt=0, description="images that share one perturbation")
    seed: int = Field(ge=0, description="of weights, order, augmentation, dropout, noise and splits")

    @classmethod
    def resolve(cls, settings: Mapping[str, Any]) -> "RunSpec":
        """The run of these flat settings, with every default filled in.

        Raises BadSettings that lists every unknown name, setting that does not apply, and wrong value.
        """
        values = {key: value for key, value in settings.items() if key in OWN_SETTINGS}
        values.setdefault("base", cls.base_of(values.get("optimizer")))
        findings = _unknown_names(values)
        owner = {key: part for part in COMPONENTS for key in _brought(part, values)}
        given: dict[str, dict[str, Any]] = {part: {} for part in COMPONENTS}
        for key in settings.keys() - OWN_SETTINGS:
            if key in owner:
                given[owner[key]][key] = settings[key]
            elif not findings:
                findings.append((key, f"is no setting of this run{_who_takes(key)}"))
        for part in COMPONENTS:
            entry = COMPONENTS[part].get(_name(part, values))
            if entry is None:
                continue
            try:
                resolved = entry.settings.model_validate(given[part], strict=True)
                values[f"{part}_settings"] = resolved.model_dump()
            except ValidationError as error:
                findings += complaints(error)
        try:
            spec = cls.model_validate(values)
        except ValidationError as error:
            raise BadSettings(findings + complaints(error)) from None
        findings = findings or spec._disagreements()
        if findings:
            raise BadSettings(findings)
        return spec

    @classmethod
    def base_of(cls, optimizer: Any) -> str:
        """The base an optimizer has when none is named: SGD, or itself if it is a base."""
        return str(optimizer if optimizer in BASES else cls.model_fields["base"].default)

    def _disagreements(self) -> list[tuple[str, str]]:
        found = []
        if self.optimizer in BASES and self.base != self.optimizer:
            found.append(("base", f"of {self.optimizer!r} is itself, got {self.base!r}"))
        kind = DATASETS[self.dataset].kind
        if kind not in AUGMENTATIONS[self.augmentation].kinds:
            suited = [name for name, entry in AUGMENTATIONS.items() if kind in entry.kinds]
            found.append(
                ("augmentation", f"{self.augmentation!r} is not for {self.dataset}{did_you_mean('', suited)}")
            )
        if self.warmup_epochs > self.epochs:
            found.append(("warmup_epochs", f"must be ≤ epochs ({self.epochs}), got {self.warmup_epochs:g}"))
        if self.min_lr > self.lr:
            found.append(("min_lr", f"must be ≤ lr ({self.lr:g}), got {self.min_lr:g}"))
        if self.batch_size % self.processes:
            whole = f"must be a multiple of processes ({self.processes}), got {self.batch_size}"
            found.append(("batch_size", whole))
        return found

    def flat(self) -> dict[str, Scalar]:
        """All settings in one level, as suite files and tables know them."""
        values = self.model_dump()
        for part in COMPONENTS:
            values |= values.pop(f"{part}_settings")
        return values

    @property
    def uid(self) -> str:
        """A readable part and 8 hexadecimal digits of a hash of all that differs from the defaults.

        Leaving defaults out keeps old results valid when a later version adds a setting. A default that
        changed is caught by the spec stored in the run folder (`store.folder`).
        """
        values = self.model_dump(exclude_defaults=True)
        for part, catalogue in COMPONENTS.items():
            chosen = values.pop(f"{part}_settings", {})
            defaults = catalogue[getattr(self, part)].settings.model_construct().model_dump()
            values |= {key: value for key, value in chosen.items() if value != defaults[key]}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.optimizer}-{self.model}-{self.dataset}-s{self.seed}-{digest}"


OWN_SETTINGS = frozenset(RunSpec.model_fields) - {f"{part}_settings" for part in COMPONENTS}


def all_settings() -> frozenset[str]:
    """Every setting that some run can have."""
    entries = (entry for catalogue in COMPONENTS.values() for entry in catalogue.values())
    return OWN_SETTINGS.union(*(entry.settings.model_fields for entry in entries))


@cache
def default(setting: str) -> Any:
    """What a setting is where nobody says anything; None if it must be given, or if that depends on more."""
    if setting in OWN_SETTINGS:
        field = RunSpec.model_fields[setting]
        return None if field.is_required() else field.default
    entries = (entry for catalogue in COMPONENTS.values() for entry in catalogue.values())
    known = (entry.settings.model_fields for entry in entries if setting in entry.settings.model_fields)
    found = {fields[setting].default for fields in known}
    return found.pop() if len(found) == 1 else None


def _name(part: str, values: Mapping[str, Any]) -> Any:
    return values.get(part, RunSpec.model_fields[part].default)


def _brought(part: str, values: Mapping[str, Any]) -> frozenset[str]:
    entry = COMPONENTS[part].get(_name(part, values))
    return frozenset(entry.settings.model_fields) if entry else frozenset()


def _unknown_names(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    catalogues = {**COMPONENTS, "dataset": DATASETS, "model": _model_names()}
    return [
        (part, f"{name!r} is unknown{did_you_mean(name, catalogue)}")
        for part, catalogue in catalogues.items()
        if isinstance(name := values.get(part), str)
        and name not in catalogue
        and not (part == "model" and name.partition(".")[0] in catalogue)  # timm's architecture.weights
    ]


@cache
def _model_names() -> frozenset[str]:
    return frozenset(models.names())


def _who_takes(key: str) -> str:
    """The `where` under which a setting would have been right."""
    for part, catalogue in COMPONENTS.items():
        names = [name for name, entry in catalogue.items() if key in entry.settings.model_fields]
        if names:
            return f"; it belongs to {part} {', '.join(names)}: give it under where: {{{part}: …}}"
    return did_you_mean(key, all_settings())
