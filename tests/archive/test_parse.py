"""Files one by one; `stress.bad_archives` has any bytes, beside a reading of its own."""

import hashlib
import io
import re
import struct
import tracemalloc
import wave

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aa1xr import ArchiveError
from aa1xr.archive import parse
from aa1xr.archive.parse import parse_spike_files, parse_spikes, parse_stim, parse_wav
from aa1xr.archive.write import make_sound, spike_text, wav_bytes
from tests.small_archives import recording

LARGEST = 2**31 - 1
SOUND = make_sound("flatrip", np.arange(5, dtype=np.int16), 32000)
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
        (b"1.000 2.000\n3.000\n", [[1000, 2000], [3000]]),
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
        "no last space",
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
        "\u22121.000", "\v", "\f", "1.000\v2.000", "1.000\f", "\r", "1.000\r", "1.000 \r2.000",
    ],
)  # fmt: skip
def test_parse_spikes__a_token_that_is_no_time_is_refused(token):
    # In a line by itself, and among times that are right.
    for before, number in ((b"", 1), (b"1.000 \n\n2.000 ", 3)):
        with pytest.raises(
            ArchiveError, match=rf"^a/spike1, line {number}: .*a spike time must be"
        ) as info:
            parse_spikes(before + token.encode() + b" 3.000 \n", "a/spike1")
        assert "such as 159.375" in str(info.value)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"1.000 \r\r2.000 \r\n", 1),
        (b"1.000 \n\r\r\n", 2),
        (b"1.000 \n2.000 \r3.000 \n", 2),
        (b"\n\n\r\r\n", 3),
    ],
)
def test_parse_spikes__a_CR_ends_no_line(data, line):
    # Whoever wrote it, CRLF made CRCRLF would double the trials.
    with pytest.raises(ArchiveError, match=rf"^a/spike1, line {line}: .*end with LF or CRLF"):
        parse_spikes(data, "a/spike1")


@pytest.mark.parametrize("data", [b"1.000 \n159.3", b"1.000 \n159.375 ", b"1.000 \r", b"7", b" "])
def test_parse_spikes__a_last_line_that_is_cut_off_is_refused(data):
    # 159.3 is also what is left of 159.375.
    with pytest.raises(ArchiveError, match=r"^a/spike1: its last line has no end.*fetch the arch"):
        parse_spikes(data, "a/spike1")


def test_parse_spikes__so_many_presentations_and_no_more():
    assert trials(b"\n" * 10_000) == [[]] * 10_000
    for data in (b"\n" * 10_001, b"0.5\n" * 10_001):
        with pytest.raises(ArchiveError, match=r"^a/spike1: 10001 lines; .*at most 10000$"):
            parse_spikes(data, "a/spike1")


def test_parse_spikes__many_spikes_in_one_trial():
    times = np.arange(-100_000, 100_000, dtype=np.int32)
    data = text([times.tolist()])
    for spelt in (data, data.replace(b" ", b"\t")):  # as CRCNS wrote it, and not
        found, counts = parse_spikes(spelt, "spike1")
        np.testing.assert_array_equal(found, times)
        assert counts.tolist() == [times.size]
    with pytest.raises(ArchiveError, match=r"spike1: 16777217 bytes; .*at most 16777216 bytes"):
        parse_spikes(b" " * 2**24 + b"\n", "spike1")


def test_parse_spikes__a_byte_that_is_no_text_is_refused():
    says = r"^a/spike1, line 2: a spike time must be .*; got '.1\.000'"
    with pytest.raises(ArchiveError, match=says):
        parse_spikes(b"1.000 \n\xff1.000 \n", "a/spike1")


@pytest.mark.parametrize(
    "token", ["2147483.648", "-2147483.648", "9999999.999", "2147484", "2.2e9"]
)
def test_parse_spikes__beyond_int32_is_refused(token):
    says = r"^a/spike1, line 2: .*(beyond 2147483 ms|spike time must be)"
    with pytest.raises(ArchiveError, match=says):
        parse_spikes(f"1.000 \n{token} \n".encode(), "a/spike1")


def test_parse_spikes__an_empty_file_is_refused():
    with pytest.raises(ArchiveError, match=r"^a/spike1: empty; expected a line"):
        parse_spikes(b"", "a/spike1")


def test_parse_spikes__a_long_token_is_not_all_shown():
    with pytest.raises(ArchiveError, match="a spike time must be") as info:
        parse_spikes(b"9" * 10**6 + b"\n", "a/spike1")
    assert len(str(info.value)) < 250


@given(TRIALS)
@example([[]])
def test_parse_spikes__reads_what_spike_text_writes(expected):
    assert trials(text(expected)) == expected


#: Lines as CRCNS wrote them, nearly so, and not at all.
SPELT = st.lists(
    st.sampled_from(
        ["1.000 ", "-0.001 ", " ", "\n", "1234567.999\n", "2147484.000 ", "12345678.000 ", "1.00 ",
         "1.0000 ", ".000 ", "-.000 ", "--1.000 ", "1-1.000 ", "1.000-", "1.000", "1.1.000 ", "- ",
         "5 ", ".", "\t", "\r\n", "x", "\xff", "\0", "\x0b"]
    ),
    max_size=8,
)  # fmt: skip


def outcome(parse):
    """What a call gives, or says."""
    try:
        return [(times.tolist(), counts.tolist()) for times, counts in parse()]
    except ArchiveError as error:
        return str(error)


@given(SPELT)
def test_parse_spikes__the_quick_way_takes_what_is_written_as_crcns_did(tokens):
    data = "".join([*tokens, "\n"]).encode("latin-1")
    found = parse._parse_regular(data)
    plain = re.fullmatch(rb"(?:-?[0-9]{1,7}\.[0-9]{3}[ \n]|[ \n])*", data)
    within = all(abs(float(token)) < 2147483.6475 for token in data.split()) if plain else False
    assert (found is not None) == (within and b"." in data)
    if found is not None:
        lines = [line.split() for line in data.decode().split("\n")[:-1]]
        assert found[0].tolist() == [round(1000 * float(t)) for line in lines for t in line]
        assert found[1].tolist() == list(map(len, lines))


@given(st.lists(SPELT, max_size=4), st.booleans())
def test_parse_spike_files__as_one_by_one(files, ended):
    given = [
        ("".join([*tokens, "\n" * ended]).encode("latin-1"), f"spike{n}")
        for n, tokens in enumerate(files)
    ]
    together = outcome(lambda: parse_spike_files(given))
    assert together == outcome(lambda: [parse_spikes(data, where) for data, where in given])


@given(st.lists(TRIALS, max_size=4))
def test_parse_spike_files__are_not_mixed(files):
    given = [(text(expected), "x") for expected in files]
    found = [
        [part.tolist() for part in np.split(times, np.cumsum(counts)[:-1])]
        for times, counts in parse_spike_files(given)
    ]
    assert found == files


def test_parse_spike_files__the_file_and_line_of_an_error():
    good = b"1.000 2.000 \n\n3.000 \n"
    for bad, says in (
        (b"1.000 \nx \n", "b, line 2: a spike time must be .*; got 'x'"),
        (b"1.000 \n2147484.000 \n", "b, line 2: a spike time beyond"),
        (b"", "b: empty"),
        (b"1.000 \n2.0", "b: its last line has no end"),
        (b"\n" * 10_001, "b: 10001 lines"),
        (bytes(2**24) + b"\n", "b: 16777217 bytes"),
    ):
        with pytest.raises(ArchiveError, match=f"^{says}"):
            parse_spike_files([(good, "a"), (bad, "b"), (good, "c")])


def text(expected):
    return spike_text(recording(1, SOUND, expected))


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


def test_parse_stim__a_long_text_is_neither_split_nor_shown():
    data = b"a " * 10**6
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError) as info:
            parse_stim(data, "a/stim1")
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    finally:
        tracemalloc.stop()
    assert len(str(info.value)) < 200


def named(data):
    return hashlib.md5(data).hexdigest().upper() + ".wav"


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1), st.integers(1, 10**6))
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
        (riff(rate=10**6 + 1), r"sampled at 1000001 Hz; expected a rate from 1 to 1000000 Hz"),
        (riff()[:24] + bytes(4) + riff()[28:], r"sampled at 0 Hz"),
    ],
    ids=[
        "stereo", "8 bit", "24 bit", "silent", "truncated", "header only", "empty", "text", "RIFX",
        "float", "2 GHz", "0 Hz",
    ],
)  # fmt: skip
def test_parse_wav__refused(data, says):
    with pytest.raises(ArchiveError, match=rf"^a/x\.wav: .*({says})"):
        parse_wav(data, "flatrip", named(data), "a/x.wav")


def test_parse_wav__a_truncated_file_is_refused_by_its_name():
    data = riff(frames=100)
    with pytest.raises(ArchiveError, match=r"^a/x\.wav: its MD5 is [0-9A-F]{32}.*fetch the arch"):
        parse_wav(data[:-2], "flatrip", named(data), "a/x.wav")
