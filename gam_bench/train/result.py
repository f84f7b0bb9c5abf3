"""The figures of a finished run, as `result.json` holds them."""

from datetime import UTC, datetime
from typing import Any

from gam_bench.numerics import NUMERICS
from gam_bench.train.checkpoint import Totals
from gam_bench.train.environment import device_name
from gam_bench.train.flatness import Flatness
from gam_bench.train.trainer import Trainer


def figures(
    trainer: Trainer, epochs: list[dict[str, Any]], totals: Totals, sharpness: Flatness
) -> dict[str, Any]:
    """Of the last epoch, and kept apart from it: the best epochs and what picked them, flatness, and cost.

    Accuracies are fractions, losses nats, times seconds; `epochs` are the lines of metrics.jsonl. The
    resulting `forward_backward_passes` are gradient evaluations as the optimizer counted them, and
    `flops_per_step` one pass's operations times the passes of a step.
    """
    last = epochs[-1]
    best_test = max(epochs, key=lambda line: line["test_accuracy"])
    best = (
        max(epochs, key=lambda line: line["validation_accuracy"]) if "validation_accuracy" in last else None
    )
    steps = trainer.steps * len(epochs)
    flops = trainer.image_pass_flops() * trainer.spec.batch_size
    return {
        "epochs": len(epochs),
        "test_accuracy": last["test_accuracy"],
        "test_loss": last["test_loss"],
        "best_test_accuracy": best_test["test_accuracy"],
        "best_test_epoch": best_test["epoch"],
        "validation_accuracy": last.get("validation_accuracy"),
        "validation_loss": last.get("validation_loss"),
        "best_validation_epoch": best["epoch"] if best else None,
        "test_accuracy_at_best_validation": best["test_accuracy"] if best else None,
        "train_accuracy": last["train_accuracy"],
        "train_loss": last["train_loss"],
        "lambda_max": sharpness.lambda_max,
        "hessian_trace": sharpness.trace,
        "hessian_trace_se": sharpness.trace_error,
        "forward_backward_passes": totals.passes,
        "steps": steps,
        "skipped_steps": sum(line.get("skipped_steps", 0) for line in epochs),
        "flops_per_step": round(flops * totals.passes / steps),
        "train_seconds": totals.train_seconds,
        "data_seconds": totals.data_seconds,
        "process_seconds": totals.process_seconds if trainer.device.type == "cpu" else None,
        "eval_seconds": totals.eval_seconds,
        "flatness_seconds": sharpness.seconds,
        "total_seconds": totals.total_seconds,
        "images_per_second": totals.timed_images / totals.timed_seconds if totals.timed_seconds else None,
        "peak_memory_bytes": totals.peak_memory_bytes or None,
        "parameters": trainer.parameters,
        "threads": totals.threads,
        "numerics": NUMERICS,
        "device": trainer.device.type,
        "device_name": device_name(trainer.device),
        **trainer.switches.recorded(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
