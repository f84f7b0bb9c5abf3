"""Image classifiers by name: the CIFAR forms these papers used, and all of timm.

    model = gam_bench.models.create("resnet18_cifar", num_classes=100)

Importing this package also makes our models known to timm, without importing timm:

    import gam_bench.models, timm
    model = timm.create_model("resnet18_cifar", num_classes=100)
"""

from typing import TYPE_CHECKING, Any

from gam_bench.models import registration

if TYPE_CHECKING:
    from gam_bench.models.build import create

__all__ = ["create"]

registration.register_with_timm()


def __getattr__(name: str) -> Any:
    if name == "create":  # torch is imported here, so that the catalogue costs nothing
        from gam_bench.models.build import create

        return create
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
