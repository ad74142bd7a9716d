import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from aa1xr import cli


def test_explore__without_panel_says_so(sample_store, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "panel", None)
    assert cli.main(["explore", str(sample_store), "--no-browser"]) == 1
    assert "the extra explore of aa1xr" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal for one process")
def test_explore__serves_until_it_is_interrupted(sample_store):
    pytest.importorskip("panel", reason="needs Panel, the extra explore")
    command = [sys.executable, "-m", "aa1xr", "explore", str(sample_store), "--no-browser"]
    # What a shell starts in the background ignores the signal, and so do its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(url, timeout=30) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
