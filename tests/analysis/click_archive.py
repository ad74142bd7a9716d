"""An archive of cells that fire at a known delay after each click of a random train."""

import json

import numpy as np

from aa1xr.archive.read import SIMULATION, Cell, Recording
from aa1xr.archive.write import make_sound, write_archive

RATE = 32000


def write_clicks(path, delays_ms, *, n_sounds=6, n_trials=10, seed=0):
    """Write an archive with one cell for each delay: AA1's format, no code of the spectrogram."""
    rng = np.random.default_rng(seed)
    times = [np.sort(rng.uniform(0.05, 1.9, 60)) for _ in range(n_sounds)]
    sounds = []
    for clicks in times:
        samples = (30 * rng.standard_normal(2 * RATE)).astype(np.int16)
        for start in (clicks * RATE).astype(int):
            samples[start : start + 8] = 20000
        sounds.append(make_sound("conspecific", samples, RATE))

    def recordings(delay_ms):
        for k, (sound, clicks) in enumerate(zip(sounds, times, strict=True)):
            trials = []
            for _ in range(n_trials):
                responds = clicks[rng.random(clicks.size) < 0.7]
                driven = responds + delay_ms / 1000 + 5e-4 * rng.standard_normal(responds.size)
                other = rng.uniform(-2, 4, rng.poisson(6 * 3))
                trials.append(np.sort((1e6 * np.r_[driven, other]).astype(np.int32)))
            counts = np.array([trial.size for trial in trials], np.int32)
            yield Recording(k + 1, sound.type, sound.name, np.concatenate(trials), counts)

    cells = (
        Cell(f"zz{n:04d}_1_A", "MLd", list(recordings(delay))) for n, delay in enumerate(delays_ms)
    )
    extra = {SIMULATION: json.dumps({"n_neurons": len(delays_ms)}).encode()}
    write_archive(path, sounds, cells, extra=extra)
    return path
