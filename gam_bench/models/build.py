"""A model from its name."""

import importlib
import inspect
from typing import Any

from torch import nn

from gam_bench.errors import UserError, did_you_mean
from gam_bench.models.catalog import MODELS, names


def create(
    name: str,
    num_classes: int,
    in_chans: int = 3,
    image_size: int | None = None,
    pretrained: bool = False,
    **settings: Any,
) -> nn.Module:
    """The model `name`, freshly initialised by torch's global generator.

    Ours are built without importing timm. `image_size` (pixels a side) reaches only the models whose weights
    depend on it, such as timm's vision transformers. `pretrained` and `settings` are timm's.
    Raises UserError for an unknown name or setting, and for `pretrained` where there are no weights.
    """
    if name.partition(".")[0] not in names():
        raise UserError(f"unknown model {name!r}{did_you_mean(name, names())}")
    if name in MODELS:
        if pretrained:
            raise UserError(f"model {name!r} has no pretrained weights")
        return build(name, num_classes=num_classes, in_chans=in_chans, image_size=image_size, **settings)
    return _create_timm(name, num_classes, in_chans, image_size, pretrained, settings)


def build(
    name: str, num_classes: int = 10, in_chans: int = 3, image_size: int | None = None, **settings: Any
) -> nn.Module:
    """One of our own models."""
    entry = MODELS[name]
    module, _, function = entry.build.partition(":")
    model = getattr(importlib.import_module(module), function)
    known = inspect.signature(model).parameters
    for setting in settings:
        if setting not in known:
            raise UserError(f"model {name!r} has no setting {setting!r}{did_you_mean(setting, known)}")
    arguments = {"num_classes": num_classes, "in_chans": in_chans, **entry.arguments, **settings}
    if "image_size" in known:
        arguments["image_size"] = image_size or entry.image_size
    made: nn.Module = model(**arguments)
    return made


def _create_timm(
    name: str,
    num_classes: int,
    in_chans: int,
    image_size: int | None,
    pretrained: bool,
    settings: dict[str, Any],
) -> nn.Module:
    import timm  # seconds: only for those who want it

    arguments = dict(num_classes=num_classes, in_chans=in_chans, pretrained=pretrained, **settings)
    try:
        if image_size is not None:
            try:
                return timm.create_model(name, img_size=image_size, **arguments)
            except TypeError as error:
                if "img_size" not in str(error):
                    raise  # else this model takes images of any size
        return timm.create_model(name, **arguments)
    except (TypeError, RuntimeError) as error:
        raise UserError(f"model {name!r}: {error}") from error
    except OSError as error:
        if not pretrained:
            raise
        absent = f"the pretrained weights of {name!r} are not on this machine"
        raise UserError(f"{absent}: run `gam-bench data weights {name}`") from error


def fetch_weights(name: str) -> None:
    """Download timm's weights of a model into the hub's cache. Raises UserError where that fails."""
    import timm

    try:
        timm.create_model(name, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise UserError(f"cannot get the weights of {name!r}: {error}") from error
