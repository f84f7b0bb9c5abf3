"""The arithmetic of a step, counted without doing it."""

import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from gam_bench import models
from gam_bench.data.catalog import DATASETS
from gam_bench.suite.spec import RunSpec


def forward_backward_flops(spec: RunSpec) -> int | None:
    """Floating-point operations of one forward and backward pass over a batch, by torch's counter.

    Counted on the meta device, so no memory and no time worth speaking of. A product and a sum
    count two, as in torch; elementwise operations are not counted. None where a model cannot be built so.
    """
    entry = DATASETS[spec.dataset]
    size = spec.image_size or entry.image_size
    try:
        with torch.device("meta"):
            model = models.create(spec.model, entry.classes, entry.channels, size)
            images = torch.empty(spec.batch_size, entry.channels, size, size)
            labels = torch.zeros(spec.batch_size, dtype=torch.int64)
        with FlopCounterMode(display=False) as counter:
            cross_entropy(model(images), labels).backward()
    except (NotImplementedError, RuntimeError):
        return None
    return counter.get_total_flops()
