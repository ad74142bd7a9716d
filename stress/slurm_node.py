"""SLURM with one node, in a folder of its own, from the programs of Debian's packages."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
#: Daemons are in folders that are in the PATH of root only.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))

_CONFIGURATION = """\
ClusterName=aa1xr
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={socket}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MpiDefault=none
ReturnToService=2
KillWait=2
MailProg=/bin/true
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mib} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class UnavailableError(Exception):
    """Why SLURM cannot start here."""


@contextmanager
def slurm(folder: Path, *, cpus: int = 8, memory_mib: int = 32_000) -> Iterator[None]:
    """Run SLURM, and let the programs that this process starts use it.

    The node has as many processors and as much memory as it is told, not as the machine has, and
    one GPU, which is none.
    """
    if missing := [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]:
        raise UnavailableError(
            f"needs {', '.join(missing)}: apt-get install munge slurmctld slurmd slurm-client"
        )
    for part in (folder, folder / "state", folder / "spool"):
        part.mkdir(parents=True, exist_ok=True)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            socket=folder / "munge.socket",
            host=socket.gethostname().partition(".")[0],
            ports=_free_ports(2),
            user=subprocess.check_output(["id", "--user", "--name"], text=True).strip(),
            cpus=cpus,
            memory_mib=memory_mib,
        )
    )
    # A file that stands for a GPU, so that jobs can ask for one.
    (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/null\n")
    before = {name: os.environ.get(name) for name in ("PATH", "SLURM_CONF")}
    os.environ |= {"PATH": _PATH, "SLURM_CONF": str(configuration)}
    try:
        with ExitStack() as stack:
            _start(folder, stack)
            yield
            _out(["scancel", "--me"])
            _wait(lambda: not jobs(), 60)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _start(folder: Path, stack: ExitStack) -> None:
    """Start the three daemons, and wait for the node."""
    key = folder / "munge.key"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log"}
    munged = [f"--{option}={folder}/munge.{end}" for option, end in files.items()]
    # Others may not enter the folder: munged takes this for a fault unless it is forced.
    munged += [f"--seed-file={folder}/munge.seed", "--foreground", "--force"]
    daemons: list[subprocess.Popen[bytes]] = []

    def until(is_ready: Callable[[], bool]) -> None:
        _wait(lambda: is_ready() or any(daemon.poll() is not None for daemon in daemons), 60)
        if not is_ready():
            raise UnavailableError(f"its daemons do not start: {_complaints(folder)}")

    for command in (["munged", *munged], ["slurmctld", "-D"], ["slurmd", "-D"]):
        with (folder / f"{command[0]}.out").open("w") as file:
            daemons.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
        stack.callback(_stop, daemons[-1])
        until((folder / "munge.socket").exists)
    until(lambda: _out(["sinfo", "--noheader", "--format=%T"]) == "idle")


def jobs() -> dict[str, str]:
    """The state of each job, or task of an array, that has not ended."""
    lines = _out(["squeue", "--noheader", "--array", "--format=%i %T"]).splitlines()
    return dict(line.split() for line in lines)


def wait_for_jobs(seconds: float = 1800) -> None:
    """Wait until no job is left."""
    if not _wait(lambda: not jobs(), seconds):
        raise TimeoutError(f"after {seconds:g} s there are jobs: {jobs()}")


def cancel(job: str) -> None:
    """End a job as the user or the administrator of a cluster does."""
    subprocess.run(["scancel", job], check=True)


def _out(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _wait(for_what: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if for_what():
            return True
        time.sleep(0.2)
    return False


def _complaints(folder: Path) -> str:
    found = [
        line
        for name in ("munged.out", "slurmctld.log", "slurmd.log", "slurmctld.out", "slurmd.out")
        if (folder / name).exists()
        for line in (folder / name).read_text().splitlines()
        if "error" in line.lower() or "fatal" in line.lower()
    ]
    return " / ".join(found[:3])[:500] or "no word of why"


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
