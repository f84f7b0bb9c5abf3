"""Image classifiers by name: the CIFAR forms these papers used, and all of timm.

    model = gam_bench.models.create("resnet18_cifar", num_classes=100)

timm knows our models, too, once it is told; if it was imported before this package, it is told by the import.
Nothing here imports timm before it is needed:

    gam_bench.models.register_with_timm()
    model = timm.create_model("resnet18_cifar", num_classes=100)
"""

import sys
from typing import TYPE_CHECKING, Any

from gam_bench.models.registration import register_with_timm

if TYPE_CHECKING:
    from gam_bench.models.build import create

__all__ = ["create", "register_with_timm"]

if "timm" in sys.modules:
    register_with_timm()


def __getattr__(name: str) -> Any:
    if name == "create":  # torch is imported here, so that the catalogue costs nothing
        from gam_bench.models.build import create

        return create
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
