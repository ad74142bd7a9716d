"""The short form of `stress.slurm`: one of its tests, where SLURM can start."""

import pytest

from stress import slurm, slurm_node


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")  # of silent sample neurons
def test_slurm__computes_in_jobs(tmp_path):
    """The script of the guide is a job, and so is each of its workers."""
    pytest.importorskip("dask_jobqueue")
    try:
        with slurm_node.slurm(tmp_path / "slurm"):
            slurm.prepare(tmp_path, tmp_path / "user")
            counted = slurm.script(tmp_path / "user")
    except slurm_node.UnavailableError as reason:
        pytest.skip(f"SLURM cannot start: {reason}")
    assert counted.failures == []
    assert counted.right == 1


def test_slurm__that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_node, "_PATH", str(tmp_path))
    monkeypatch.setattr(slurm, "find_spec", lambda name: True)
    (skipped,) = slurm.run(tmp_path / "work", 1)
    assert "skipped: needs munged, mungekey, slurmctld" in skipped.figures
    assert "apt-get install munge slurmctld" in skipped.figures
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    (skipped,) = slurm.run(tmp_path / "work", 1)
    assert skipped.figures == "skipped: needs dask-jobqueue: pip install dask-jobqueue"
    assert not (tmp_path / "work").exists()


def test_slurm__that_stops_at_once_says_why(tmp_path, monkeypatch):
    """A daemon that ends is not waited for."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in slurm_node.PROGRAMS:
        (programs / name).write_text(f"#!/bin/sh\necho {name}: error: no\nexit 1\n")
        (programs / name).chmod(0o755)
    (programs / "mungekey").write_text("#!/bin/sh\n")
    monkeypatch.setattr(slurm_node, "_PATH", f"{programs}:/usr/bin:/bin")
    with (
        pytest.raises(slurm_node.UnavailableError, match="munged: error: no"),
        slurm_node.slurm(tmp_path / "slurm"),
    ):
        pass
