"""A data-parallel run as the tasks of one job, on one node and across two."""

import pytest

pytestmark = pytest.mark.slurm


@pytest.mark.parametrize("nodes", [1, 2])
def test_the_tasks_of_a_job_train_one_run(cluster, nodes):
    """gloo between CPUs; the same figures as by `gam-bench run`, which uses torchrun."""
    suite = cluster.suite("together", processes=2, batch_size=240, epochs=2)
    (entry,) = cluster.submit(suite, processes_per_node=2 // nodes)
    cluster.finished(1)
    assert cluster.states(suite) == ["done"]
    assert "epoch 2" in cluster.log(entry["job"])
    calm = cluster.beside()
    calm.gam_bench("run", suite)
    assert calm.figures() == cluster.figures()
