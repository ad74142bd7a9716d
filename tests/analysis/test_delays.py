import numpy as np
import pytest

from aa1xr.analysis.delays import click_response, delays
from aa1xr.dataset.spectrogram import Mel


@pytest.mark.parametrize(
    ("dt_ms", "start", "stop"), [(1, -5, 5), (5, -5, 5), (10, -5, 10), (1, -9, 1), (20, -5, 20)]
)
def test_delays__are_those_of_all_pairs_of_sound_and_response(dt_ms, start, stop):
    # Every moment of the sound in frame 0 with every moment of the response in bin j.
    attrs = {"dt_ms": dt_ms, "frame_start_ms": start, "frame_stop_ms": stop}
    for j in range(4):
        sound, response = np.meshgrid(
            np.linspace(start, stop, 101), np.linspace(j * dt_ms, (j + 1) * dt_ms, 101)
        )
        expected = (response - sound).ravel()
        shortest, middle, longest = (1000 * each for each in delays(j * dt_ms / 1000, attrs))
        np.testing.assert_allclose(shortest, max(0, expected.min()), atol=1e-9)
        np.testing.assert_allclose(middle, expected.mean(), atol=1e-9)
        np.testing.assert_allclose(longest, expected.max(), atol=1e-9)


@pytest.mark.parametrize("hop", [32, 160, 320, 1280])
@pytest.mark.parametrize("compression", ["cubic", "none"])
@pytest.mark.parametrize("frames", ["centred", "causal"])
def test_click_response__is_that_of_the_spectrogram(hop, compression, frames):
    # A click at each of many times: what a frame shows of it, by its time from the middle.
    mel = Mel(32000, hop, 320, 32, 0.0, 16000.0, compression, frames)
    middle = np.arange(-(-24000 // hop)) * hop / 32000
    middle += (mel.attrs["frame_start_ms"] + mel.attrs["frame_stop_ms"]) / 2000
    clicks = np.arange(12000, 12000 + 2 * hop, max(1, hop // 16))
    shown, expected = [], []
    for click in clicks:
        samples = np.zeros(24000, np.int16)
        samples[click] = 30000
        shown.append(mel(samples)[20])
        expected.append(click_response(click / 32000 - middle, mel.attrs))
    shown, expected = np.array(shown), np.array(expected)
    np.testing.assert_allclose(
        shown / shown.max(), expected / expected.max(), atol=0.01 if compression == "none" else 0.03
    )
