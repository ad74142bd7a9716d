import hashlib
import io
import re
import struct
import wave
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aa1xr import ArchiveError
from aa1xr.archive.parse import parse_spikes, parse_stim, parse_wav
from aa1xr.archive.read import Recording
from aa1xr.archive.write import make_sound, spike_text, wav_bytes

LARGEST = 2**31 - 1
TRIALS = st.lists(st.lists(st.integers(-LARGEST, LARGEST), max_size=6), min_size=1, max_size=8)


def trials(data):
    """What parse_spikes reads, trial by trial."""
    times, counts = parse_spikes(data, "spike1")
    assert times.dtype == counts.dtype == np.int32
    assert counts.sum() == times.size
    return [part.tolist() for part in np.split(times, np.cumsum(counts)[:-1])]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"-1999.969 0.000 159.375 \n\n3.000 \n", [[-1999969, 0, 159375], [], [3000]]),
        (b"1.000 \r\n\r\n2.000 \r\n", [[1000], [], [2000]]),
        (b"1.000 \r\r2.000 \r", [[1000], [], [2000]]),
        (b"1.000 \n2.000 ", [[1000], [2000]]),
        (b"1.000 2.000\n3.000\n", [[1000, 2000], [3000]]),
        (b"1.000 2.000", [[1000, 2000]]),
        (b"  1.000   2.000  \n   \n 3.000\n", [[1000, 2000], [], [3000]]),
        (b"1.000\t2.000\t\n\t3.000\n", [[1000, 2000], [3000]]),
        (b"1 -2 0 \n", [[1000, -2000, 0]]),
        (b"0.5 -0.5 1.25 -1.25 -0.001 \n", [[500, -500, 1250, -1250, -1]]),
        (b"1.000 2.5 3 \n", [[1000, 2500, 3000]]),
        (b"-0.000 -0 007.010 \n", [[0, 0, 7010]]),
        (b"3.000 1.000 3.000 \n", [[3000, 1000, 3000]]),
        (b"2147483.647 -2147483.647 \n", [[LARGEST, -LARGEST]]),
        (b"\n", [[]]),
        (b"\n\n\n", [[], [], []]),
    ],
    ids=[
        "as CRCNS wrote it",
        "CRLF",
        "CR",
        "no last newline",
        "no last space",
        "neither",
        "doubled spaces",
        "tabs",
        "no decimals",
        "fewer decimals",
        "mixed decimals",
        "zeros",
        "unsorted, twice",
        "extremes",
        "silent",
        "silent trials",
    ],
)
def test_parse_spikes__exact_values(data, expected):
    assert trials(data) == expected


@pytest.mark.parametrize(
    "token",
    [
        "abc", "nan", "NaN", "inf", "-inf", "1e3", "1.5E2", "1e12", "1,5", "1.2345", "1.", ".5",
        "-.5", "+1.000", "--1.000", "-", "1.000.000", "1_000.000", "0x10", "1.000;", "12345678",
        "12345678.000", "1000000000000", "\u0661.000", "\ufeff1.000", "1.000\u00a02.000", "1.000\0",
        "\u22121.000",
    ],
)  # fmt: skip
def test_parse_spikes__a_token_that_is_no_time_is_refused(token):
    # In a line by itself, and among times that are right.
    for before, number in ((b"", 1), (b"1.000 \n\n2.000 ", 3)):
        with pytest.raises(
            ArchiveError, match=rf"^a/spike1, line {number}: .*no spike time"
        ) as info:
            parse_spikes(before + token.encode() + b" 3.000 \n", "a/spike1")
        assert "such as 159.375" in str(info.value)


def test_parse_spikes__a_byte_that_is_no_text_is_refused():
    with pytest.raises(ArchiveError, match=r"^a/spike1, line 2: '.1\.000' is no spike time"):
        parse_spikes(b"1.000 \n\xff1.000 \n", "a/spike1")


@pytest.mark.parametrize(
    "token", ["2147483.648", "-2147483.648", "9999999.999", "2147484", "2.2e9"]
)
def test_parse_spikes__beyond_int32_is_refused(token):
    with pytest.raises(ArchiveError, match=r"^a/spike1, line 2: .*(beyond 2147483 ms|no spike)"):
        parse_spikes(f"1.000 \n{token} \n".encode(), "a/spike1")


def test_parse_spikes__an_empty_file_is_refused():
    with pytest.raises(ArchiveError, match=r"^a/spike1: empty; expected a line"):
        parse_spikes(b"", "a/spike1")


def test_parse_spikes__a_long_token_is_not_all_shown():
    with pytest.raises(ArchiveError) as info:
        parse_spikes(b"9" * 10**6, "a/spike1")
    assert len(str(info.value)) < 200


@given(TRIALS)
@example([[]])
def test_parse_spikes__reads_what_spike_text_writes(expected):
    assert trials(text(expected)) == expected


def text(expected):
    times = np.array([time for trial in expected for time in trial], np.int32)
    return spike_text(Recording(1, "flatrip", "", times, np.array([*map(len, expected)], np.int32)))


@given(TRIALS, st.data())
def test_parse_spikes__harmless_noise_changes_nothing(expected, data):
    lines = text(expected).decode().split("\n")[:-1]
    blanks = st.text(" \t", min_size=1, max_size=3)
    noisy = []
    for line in lines:
        tokens = [
            # Zeros at the end of the decimals, and then the point, say nothing.
            token.rstrip("0").rstrip(".") if data.draw(st.booleans()) else token
            for token in line.split()
        ]
        gaps = [data.draw(blanks) for _ in tokens]
        last = data.draw(st.sampled_from(["", " ", "\t "]))
        noisy.append("".join(gap + token for gap, token in zip(gaps, tokens, strict=True)) + last)
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    noise = end.join(noisy)
    # Only after a line with something on it can the last newline go unnoticed.
    if not noisy[-1] or data.draw(st.booleans()):
        noise += end
    assert trials(noise.encode()) == expected


@given(st.one_of(st.binary(), st.text("0123456789.-+e, \t\r\n").map(str.encode)))
def test_parse_spikes__any_bytes_are_read_exactly_or_refused(data):
    try:
        found = trials(data)
    except ArchiveError:
        return
    lines = re.split(rb"\r\n|\r|\n", data)
    if not lines[-1]:  # the last newline ends a line, and begins none
        lines.pop()
    assert found == [[int(Decimal(t.decode()) * 1000) for t in line.split()] for line in lines]


NAME = "0123456789ABCDEF0123456789ABCDEF.wav"


@pytest.mark.parametrize("end", ["\n", "", "\r\n", " \n", "\n\n"])
def test_parse_stim__name(end):
    assert parse_stim(NAME.encode() + end.encode(), "stim1") == NAME


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"a.wav b.wav\n", b"a.wav\nb.wav\n", b"../a.wav\n", b"x\\a.wav", "ä.wav".encode()],
)
def test_parse_stim__refused(data):
    with pytest.raises(ArchiveError, match=r"^a/stim1: .*expected the name of one wav"):
        parse_stim(data, "a/stim1")


@given(st.binary(max_size=60))
def test_parse_stim__any_bytes_are_read_or_refused(data):
    try:
        name = parse_stim(data, "stim1")
    except ArchiveError:
        return
    assert name.encode() == data.strip()
    assert "/" not in name


def named(data):
    return hashlib.md5(data).hexdigest().upper() + ".wav"


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1), st.integers(1, 2**31 - 1))
def test_parse_wav__reads_what_make_sound_names(samples, rate):
    samples = np.array(samples, np.int16)
    made = make_sound("flatrip", samples, rate)
    sound = parse_wav(wav_bytes(samples, rate), "flatrip", made.name, "x.wav")
    assert (sound.type, sound.name, sound.sample_rate) == ("flatrip", made.name, rate)
    assert sound.samples.dtype == np.int16
    np.testing.assert_array_equal(sound.samples, samples)


@pytest.mark.parametrize("change", [str.lower, str.upper], ids=["lower", "upper"])
def test_parse_wav__the_case_of_a_name_says_nothing(change):
    data = wav_bytes(np.arange(5, dtype=np.int16), 32000)
    assert parse_wav(data, "flatrip", change(named(data)), "x").samples.tolist() == [0, 1, 2, 3, 4]


def riff(channels=1, width=2, rate=32000, frames=4):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(frames * channels * width))
    return buffer.getvalue()


def as_float(data):
    # The format tag of IEEE floats, in place of that of PCM.
    return data[:20] + struct.pack("<H", 3) + data[22:]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (riff(channels=2), r"2 channel\(s\) of 16 bit.*expected one channel of 16 bit"),
        (riff(width=1), r"1 channel\(s\) of 8 bit.*expected one channel of 16 bit"),
        (riff(width=3), r"1 channel\(s\) of 24 bit"),
        (riff(frames=0), r" 0 bytes of sound"),
        (riff(frames=10)[:-2], r"18 bytes of sound.*expected.* 20 bytes|not a PCM wav"),
        (riff()[:30], r"not a PCM wav file"),
        (b"", r"not a PCM wav file"),
        (b"text", r"not a PCM wav file"),
        (b"RIFX" + riff()[4:], r"not a PCM wav file"),
        (as_float(riff()), r"not a PCM wav file"),
    ],
    ids=[
        "stereo", "8 bit", "24 bit", "silent", "truncated", "header only", "empty", "text", "RIFX",
        "float",
    ],
)  # fmt: skip
def test_parse_wav__refused(data, says):
    with pytest.raises(ArchiveError, match=rf"^a/x\.wav: .*({says})"):
        parse_wav(data, "flatrip", named(data), "a/x.wav")


def test_parse_wav__a_truncated_file_is_refused_by_its_name():
    data = riff(frames=100)
    with pytest.raises(ArchiveError, match=r"^a/x\.wav: its MD5 is [0-9A-F]{32}.*fetch the arch"):
        parse_wav(data[:-2], "flatrip", named(data), "a/x.wav")


@given(st.integers(0, 43), st.binary(min_size=1, max_size=4))
def test_parse_wav__any_header_is_read_or_refused(position, damage):
    data = riff(frames=20)
    data = data[:position] + damage + data[position + len(damage) :]
    try:
        sound = parse_wav(data, "flatrip", named(data), "x.wav")
    except ArchiveError:
        return
    assert sound.samples.size > 0
    assert sound.sample_rate > 0
