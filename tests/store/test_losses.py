"""What must not be lost in silence: a claim that somebody removed, a setting that a stored spec had."""

import json

import pytest

from gam_bench.errors import UserError
from gam_bench.store.claim import Claim, ClaimLost
from gam_bench.store.folder import RunFolder
from gam_bench.store.scan import standings
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run


def test_a_holder_whose_claim_was_removed_finds_out(tmp_path):
    claim = Claim.take(tmp_path)
    claim.held()
    claim.path.unlink()
    with pytest.raises(ClaimLost, match=tmp_path.name):
        claim.held()


def test_a_holder_whose_folder_was_replaced_by_another_holders_finds_out(tmp_path):
    """An older number than its own is no claim of its own either."""
    (tmp_path / "claim-1").write_text(json.dumps({"released": True}))
    claim = Claim.take(tmp_path)
    assert claim.number == 2
    claim.path.unlink()
    with pytest.raises(ClaimLost):
        claim.held()


def test_a_stored_setting_that_the_asked_run_has_not_is_named(tmp_path, tiny):
    """As when a later version took a setting away: its figures are of a run that none can ask for."""
    spec = RunSpec.resolve(tiny)
    folder = RunFolder.of(tmp_path, spec.uid)
    folder.begin(spec)
    path = folder.path / "spec.json"
    stored = json.loads(path.read_text())
    stored["spec"]["optimizer_settings"]["lookahead"] = 3
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="holds another run: lookahead is 3, asked for None"):
        folder.check(spec)


def test_a_setting_that_is_stored_as_none_and_asked_otherwise_is_named(tmp_path, tiny):
    spec = RunSpec.resolve(tiny)
    folder = RunFolder.of(tmp_path, spec.uid)
    folder.begin(spec)
    with pytest.raises(UserError, match=r"clip_norm is None, asked for 1\.0"):
        folder.check(spec.model_copy(update={"clip_norm": 1.0}))


def test_a_scan_refuses_a_folder_of_another_run(tmp_path, tiny):
    """Else its figures would stand in a table under settings that they are not of."""
    spec = RunSpec.resolve(tiny)
    folder = RunFolder.of(tmp_path, spec.uid)
    folder.begin(spec.model_copy(update={"lr": 0.5}))
    folder.write_result({"test_accuracy": 0.9})
    with pytest.raises(UserError, match=r"lr is 0\.5, asked for 0\.05"):
        standings([Run(spec, spec.uid, {})], tmp_path)
