"""Our models in timm's registry."""

from collections.abc import Callable
from typing import Any

from gam_bench.models.catalog import MODELS


def register_with_timm() -> None:
    """Make our models known to timm, which is imported if it was not: `timm.create_model("resnet18_cifar")`.

    Called again, it changes nothing.
    """
    from timm.models import is_model, register_model

    for name in MODELS:
        if not is_model(name):
            register_model(_entry_point(name))


def _entry_point(name: str) -> Callable[..., Any]:
    def create(pretrained: bool = False, **settings: Any) -> Any:
        from gam_bench.models.build import build

        if pretrained:
            raise RuntimeError(f"{name} has no pretrained weights")
        for passed_to_all in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
            settings.pop(passed_to_all, None)
        return build(name, **settings)

    create.__name__ = create.__qualname__ = name
    return create
