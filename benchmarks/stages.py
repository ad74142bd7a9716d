"""What both sides of a comparison print: seconds of each stage, and peak memory.

Standard library only: an interpreter without aa1xr imports it too.
"""

import json
import os
import re
import time
from pathlib import Path

#: Processor time on a busy machine, where the time that passes is that of others, too.
clock = time.process_time if os.environ.get("AA1XR_CLOCK") == "processor" else time.perf_counter


def peak_mib() -> float:
    """Peak memory of this process (Linux). ru_maxrss would begin with that of the parent."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


class Stages:
    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._last = clock()

    def done(self, name: str) -> None:
        """Say that what ran since the last stage was `name`."""
        now = clock()
        self.note(name, now - self._last)
        self._last = clock()

    def note(self, name: str, value: float) -> None:
        self._values[name] = value

    def print(self) -> None:
        print(json.dumps(self._values | {"peak": peak_mib()}))
