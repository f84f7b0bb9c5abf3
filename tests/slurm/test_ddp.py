"""A data-parallel run as the tasks of one job, on one node and across two."""

import pytest

pytestmark = pytest.mark.slurm


def test_the_tasks_of_a_job_train_one_run(cluster):
    """gloo between CPUs; the same figures as by `gam-bench run`, which uses torchrun."""
    suite = cluster.suite("together", processes=2, batch_size=240, epochs=2)
    calm, across = cluster.beside(), cluster.beside("across")
    (entry,) = cluster.submit(suite, processes_per_node=2)
    across.submit(suite, processes_per_node=1)
    calm.gam_bench("run", suite)
    cluster.finished(1)
    across.finished(1)
    assert cluster.states(suite) == ["done"]
    assert "epoch 2" in cluster.log(entry["job"])
    assert calm.figures() == cluster.figures() == across.figures()
