"""How long a step takes here: `python -m gam_bench.train.calibrate DEVICE THREADS < specs`.

For each spec, a JSON object a line, it writes {"rate", "device_name"}: seconds of one image's
forward-backward pass, from plain steps on made-up images. No data set is needed.
"""

import json
import sys
from statistics import median

import torch
from torch.nn.functional import cross_entropy

from gam_bench import models
from gam_bench.data.catalog import DATASETS
from gam_bench.optim import Plain
from gam_bench.suite.spec import RunSpec
from gam_bench.train.clock import synchronised
from gam_bench.train.environment import device_name
from gam_bench.train.precision import model_precision, set_precision
from gam_bench.train.step import EagerStep

STEPS = 5
SECONDS = 3.0


def main(device: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    for line in sys.stdin:
        spec = RunSpec.model_validate_json(line)
        measured = {"rate": image_pass_seconds(spec, torch.device(device))}
        print(json.dumps(measured | {"device_name": device_name(torch.device(device))}), flush=True)


def image_pass_seconds(spec: RunSpec, device: torch.device) -> float:
    """The median over at most 5 steps, or about 3 seconds of them, after one that warms up."""
    set_precision(spec.precision)
    entry = DATASETS[spec.dataset]
    size = spec.image_size or entry.image_size
    model = models.create(spec.model, entry.classes, entry.channels, size)
    model = model_precision(model.to(memory_format=torch.channels_last).to(device), spec.precision, device)
    images = torch.randn(spec.batch_size, entry.channels, size, size, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(entry.classes, (spec.batch_size,), device=device)
    base = torch.optim.SGD(model.parameters(), lr=1e-3, fused=True)
    step = EagerStep(Plain(model.parameters(), base, model=model), cross_entropy)
    taken: list[float] = []
    while len(taken) <= 1 or (len(taken) <= STEPS and sum(taken) < SECONDS):
        start = synchronised(device)
        step(images, labels, 1e-3)
        taken.append(synchronised(device) - start)
    return median(taken[1:]) / spec.batch_size


if __name__ == "__main__":
    main(*sys.argv[1:])
