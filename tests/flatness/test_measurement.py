"""Records of whole measurements: what is in them, what they stand on, and that they repeat bit for bit."""

import json
import subprocess
import sys

import pytest
import torch
from known import dense_hessian, network
from torch import nn
from torch.nn.functional import cross_entropy

from gam_bench.errors import UserError
from gam_bench.flatness import MEASUREMENTS, Measurement, measure
from gam_bench.optim.losses import smooth_crossentropy

SMALL = Measurement(
    "small", "all parts of `full`, on a network of 103 weights", examples=32, steps=40, tolerance=1e-4, top=3,
    smallest=True, probes=4, density_runs=2, density_steps=8, balls=(("plain", 0.1), ("filter", 0.1)),
    ascents=3, random_starts=1, line=5, plane=3,
)  # fmt: skip


def measured(measurement=SMALL, **settings):
    return measure(network()[0], cross_entropy, *network()[1:], measurement, **settings)


def test_every_figure_of_a_small_network():
    model, images, labels = network()
    whole = dense_hessian(model, images[:32], labels[:32])
    eigenvalues = torch.linalg.eigvalsh(whole)
    gradients = torch.autograd.grad(cross_entropy(model(images[:32]), labels[:32]), list(model.parameters()))
    record = measured()
    figures = record["figures"]
    assert record["examples"] == 32
    assert figures["gradient_norm"]["value"] == pytest.approx(
        float(torch.cat([g.flatten() for g in gradients]).norm())
    )
    assert [one["value"] for one in figures["eigenvalues"]] == pytest.approx(
        eigenvalues[-3:].flip(0).tolist(), rel=1e-4
    )
    assert figures["lambda_max"]["value"] == figures["eigenvalues"][0]["value"]
    assert figures["lambda_max"]["converged"]
    assert figures["lambda_min"]["value"] == pytest.approx(
        float(eigenvalues[0]), abs=1e-4 * float(eigenvalues[-1])
    )
    assert abs(figures["trace"]["value"] - float(whole.trace())) <= 4 * figures["trace"]["se"] + 1e-9
    assert sum(figures["density"]["shares"]) == pytest.approx(1)
    assert figures["line"]["loss"][2] == pytest.approx(figures["loss"]["value"])
    assert figures["plane"]["loss"][1][1] == pytest.approx(figures["loss"]["value"])
    balls = {(ball["order"], ball["scale"]): ball for ball in figures["balls"]}
    assert len(balls) == 4
    assert all(len(ball["climbs"]) == 3 and ball["value"] == max(ball["climbs"]) for ball in balls.values())
    assert balls[1, "plain"]["value"] >= 0.1 * figures["gradient_norm"]["value"]
    assert record["seconds"].keys() == {
        "gradient",
        "eigenvalues",
        "trace",
        "density",
        "balls",
        "landscape",
        "all",
    }


def test_a_record_is_json_and_repeats_bit_for_bit():
    first, second = measured(seed=4), measured(seed=4)
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert first["figures"] == second["figures"]
    assert measured(seed=5)["figures"]["trace"] != first["figures"]["trace"]


def test_quick_takes_what_it_says():
    """In float32: an eigenvalue within its tolerance, at the cost promised."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)
    )
    images, labels = torch.randn(300, 1, 8, 8), torch.randint(10, (300,))
    record = measure(model, cross_entropy, images, labels, MEASUREMENTS["quick"])
    whole = dense_hessian(model, images[:256], labels[:256])
    figures = record["figures"]
    assert figures["lambda_max"]["value"] == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=5e-3)
    assert abs(figures["trace"]["value"] - float(whole.trace())) <= 4 * figures["trace"]["se"]
    assert figures["trace"]["se"] < 0.25 * figures["trace"]["value"]
    assert record["cost"] <= 256 * (1 + 2.4 * (12 + 3))
    assert record.keys() == {
        "measurement", "hash", "settings", "seed", "examples", "chunk", "figures", "cost", "seconds"
    }  # fmt: skip


def test_the_reruns_way_has_a_loss_of_its_own():
    """Smoothing over the wrong classes, whatever the run was trained with."""
    model, images, labels = network(examples=200)
    record = measure(model, cross_entropy, images, labels, MEASUREMENTS["rerun"])
    with torch.no_grad():
        expected = smooth_crossentropy(model.eval()(images[:128]), labels[:128], 0.1)
    assert record["examples"] == 128
    assert record["figures"]["loss"]["value"] == pytest.approx(float(expected))
    assert {"lambda_max", "lambda_min", "gradient_norm"} <= record["figures"].keys()


def test_progress_names_the_part():
    parts = []
    measured(on_pass=parts.append)
    assert list(dict.fromkeys(parts)) == ["gradient", "eigenvalues", "trace", "density", "balls", "landscape"]
    assert parts.count("trace") == 1
    assert parts.count("landscape") == 5 + 9


def test_weights_that_are_not_finite():
    model, images, labels = network()
    with torch.no_grad():
        model[-1].weight.fill_(float("nan"))
    with pytest.raises(UserError, match="the loss at these weights is nan"):
        measure(model, cross_entropy, images, labels, MEASUREMENTS["quick"])


def test_the_hash_is_of_the_settings_alone():
    assert len({one.hash for one in MEASUREMENTS.values()}) == len(MEASUREMENTS)
    quick = MEASUREMENTS["quick"]
    renamed = Measurement("other", "", examples=256, probes=3)
    assert renamed.hash == quick.hash
    assert Measurement("quick", "", examples=257, probes=3).hash != quick.hash
    assert MEASUREMENTS["full"].examples >= 4096


def test_the_catalogue_imports_no_torch():
    code = "import sys; from gam_bench.flatness import MEASUREMENTS; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
