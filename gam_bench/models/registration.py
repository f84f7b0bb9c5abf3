"""Our models in timm's registry, as soon as someone imports timm, and at no cost if nobody does."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from gam_bench.models.catalog import MODELS


def register_with_timm() -> None:
    """Register now if timm is imported already, else right after it will be."""
    if "timm" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterTimm())


class _AfterTimm(MetaPathFinder):
    """Finds timm as Python would, and adds our models once it has been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name) if name == "timm" else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            sys.meta_path.remove(self)
            _register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    from timm.models import register_model

    for name in MODELS:
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
