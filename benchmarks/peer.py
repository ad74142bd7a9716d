"""Side by side with deepSTRF 0.1.0 on the same archive, each side in processes of its own."""

import json
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import aa1xr
from benchmarks.measure import HERE, compared, process, side, tasks
from benchmarks.report import Row, mib, seconds, times

NOTES = """\
- deepSTRF does not smooth (`smooth=False`), and starts from the extracted folder: extracting is not
  in its times. Its constructor makes all counts and spectrograms, and holds them.
- Its environment is that of `benchmarks/peer-env.sh`: torch 2.13.0 (CPU), and of what
  deepSTRF requires only what its import needs; `pip install deepSTRF` brings more. torchaudio
  2.11.0 imports beside this torch only once its compiled extension files are moved out of the way;
  its MelSpectrogram is pure Python and not affected.
- Our side is a plain install: dask.distributed, which dask imports at the first computation where
  it is there, is hidden from it.
- Times are without imports, but for "import" (`import aa1xr`; of the peer, the dataset's class) and
  "whole process".
- Peak memory is VmHWM of the process, imports included; at 1 ms of at most three runs, and of
  counts from the store of one.
- Quality, of at most two runs: aa1xr computes 13 measures, over all split halves of the
  trials; deepSTRF two, over at most 126 random ones."""


def rows(archive: Path, store: str, peer_python: str, runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        extracted = extract(archive, Path(folder))

        def ours(task, source, *arguments):
            return side("side_aa1xr.py", task, source, *arguments)

        def peer(task, *arguments):
            return side("side_deepstrf.py", task, extracted, *arguments, python=peer_python)

        # Each round has all of them, so that what is compared ran under the same load.
        rounds = [
            {
                "cold": ours("cold", archive, 5),
                "whole": ours("cold-with-spectrogram", archive, 5),
                "peer": peer("cold", 5),
                "warm": ours("warm", store, 5, 2, 1),
                "peer widths": peer("widths", 2, 1),
            }
            for _ in range(runs)
        ]
        fine = [
            (ours("cold-with-spectrogram", archive, 1)["peak"], peer("cold", 1)["peak"])
            for _ in range(min(runs, 3))
        ]
        quality = [
            (ours("quality", store, 5)["quality"], peer("quality", 5)["quality"])
            for _ in range(min(runs, 2))
        ]
        yield from _times(store, rounds, quality)
        coarse = [(each["whole"]["peak"], each["peer"]["peak"]) for each in rounds]
        yield from _memory(store, {5: coarse, 1: fine}, ours)
        yield _installed(peer_python)


def extract(archive: Path, folder: Path) -> Path:
    """The folder in which all_stims and the cells lie."""
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    return next(folder.rglob("all_stims")).parent


def peer_versions(peer_python: str) -> str:
    found = json.loads(process(peer_python, HERE / "installed.py"))["versions"]
    wanted = ("deepstrf", "torch", "torchaudio", "numpy")
    return ", ".join(f"{name} {found[name]}" for name in wanted)


def _times(store, rounds, quality) -> Iterator[Row]:
    ds = {dt_ms: aa1xr.open(store, dt_ms=dt_ms) for dt_ms in (5, 2, 1)}
    psth = tasks(ds[5].psth)

    def pairs(ours, of_ours, peer, of_peer):
        """The times of a process' stages, in each round."""
        return [
            (sum(each[ours][s] for s in of_ours), sum(each[peer][s] for s in of_peer))
            for each in rounds
        ]

    yield _row("import", pairs("cold", ["import"], "peer", ["import"]), "")
    yield _row(
        "cold: zip to the PSTH of all neurons, 5 ms",
        pairs("cold", ["open", "psth"], "peer", ["open", "psth"]),
        psth,
        least=5,
    )
    yield _row(
        "cold, with the spectrogram, whole process with all imports, 5 ms",
        pairs("whole", ["process"], "peer", ["process"]),
        f"{psth} + {tasks(ds[5].spectrogram)}",
        least=1,
    )
    for what, stage in (("first in the process", "open"), ("and again", "open again")):
        yield _row(
            f"warm: open at 5 ms, {what} / constructor",
            pairs("warm", [stage], "peer", ["open"]),
            tasks(ds[5]),
            least=100,
        )
    for dt_ms in (2, 1):
        stage = f"{dt_ms} ms"
        yield _row(
            f"new bin width, 5 to {stage}, with the PSTH of all neurons",
            pairs("warm", [stage], "peer widths", [stage]),
            tasks(ds[dt_ms].psth),
            least=20,
        )
    yield _row(
        "PSTH of all neurons, 5 ms (aa1xr from the store, deepSTRF from memory)",
        pairs("warm", ["psth"], "peer", ["psth"]),
        psth,
    )
    yield _row("quality of all neurons, 5 ms", quality, tasks(aa1xr.quality(ds[5])))


def _memory(store, peaks, ours) -> Iterator[Row]:
    """`peaks`: by bin width, of both sides from the beginning."""
    for dt_ms, least in ((5, 1), (1, 2)):
        ds = aa1xr.open(store, dt_ms=dt_ms)
        n_tasks = f"{tasks(ds.psth)} + {tasks(ds.spectrogram)}"
        what = f"peak memory, cold with PSTH and spectrogram, {dt_ms} ms"
        yield _row(what, peaks[dt_ms], n_tasks, least=least, show=mib)
        peer = statistics.median(peak for _, peak in peaks[dt_ms])
        for what, task, lazy in (
            ("a pass over all counts in blocks", "counts-in-blocks", ds.spikes.sum()),
            ("all counts in memory, `chunks=None`", "counts-held", None),
            ("all counts in memory, dask", "counts-held-by-dask", ds.spikes),
        ):
            pair = (ours(task, store, dt_ms)["peak"], peer)
            n_tasks = "no dask" if lazy is None else tasks(lazy)
            yield _row(f"peak memory, {what}, {dt_ms} ms", [pair], n_tasks, show=mib)


def _installed(peer_python: str) -> Row:
    ours = json.loads(process(sys.executable, HERE / "installed.py", "aa1xr"))
    peer = json.loads(process(peer_python, HERE / "installed.py"))
    shown = [f"{len(i['versions'])} packages, {i['bytes'] / 1e6:,.0f} MB" for i in (ours, peer)]
    return Row(
        "installed, on top of a bare environment", (*shown, times(peer["bytes"] / ours["bytes"]))
    )


def _row(what, pairs, n_tasks, *, least=None, show=seconds) -> Row:
    """`least`: how many times the peer's must be ours."""
    ours, peer, ratio = compared(pairs)
    target = () if least is None else (f"ratio ≥ {least}", ratio >= least)
    return Row(what, (show(ours), show(peer), times(ratio)), n_tasks, *target)
