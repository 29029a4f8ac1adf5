"""The practice cluster: a real HDFS and YARN on this machine, from Maven Central's jars.

`up` fetches the jars once, starts a NameNode, two DataNodes, a ResourceManager, two NodeManagers and a history server
on loopback, waits until they answer and prints the lines to export. `down` stops what `up` started and nothing else.
`status` says what runs. All files are in `.cluster` beside this one. It is for practice and tests: no security.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parent))

import configuration

HERE = Path(__file__).resolve().parent
HOME = HERE / ".cluster"
PORT = int(os.environ.get("HADOOP_PORT", "19820"))
PORTS = range(PORT, PORT + 10)
MARK = f"-Dpractice.cluster={HOME}"
WAIT = 180
DAEMONS = {
    "namenode": ["namenode"],
    "datanode-1": ["datanode", f"-Ddfs.datanode.data.dir={HOME}/data/disk-1"],
    "datanode-2": ["datanode", f"-Ddfs.datanode.data.dir={HOME}/data/disk-2"],
    "resourcemanager": ["resourcemanager"],
    # Whom clients ask how a job ended when its master is gone, as it may be after a node has died.
    "historyserver": ["org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer"],
    **{
        f"nodemanager-{n}": [
            "nodemanager",
            f"-Dyarn.nodemanager.local-dirs={HOME}/data/local-{n}",
            f"-Dyarn.nodemanager.log-dirs={HOME}/logs/containers-{n}",
        ]
        for n in (1, 2)
    },
}


class Trouble(Exception):
    """One line for the user."""


def pid(name: str) -> int | None:
    """The process of a daemon, where it runs; a number that another process has by now does not count."""
    try:
        found = int((HOME / "pids" / name).read_text())
        command = Path(f"/proc/{found}/cmdline").read_bytes() if os.path.isdir("/proc/self") else b""
        if not command:
            command = subprocess.run(["ps", "-o", "args=", "-p", str(found)], capture_output=True).stdout
    except (OSError, ValueError):
        return None
    return found if str(HOME).encode() in command else None  # the launcher's shell, then Java with the mark


def environment() -> dict[str, str]:
    """What the daemons, and with them the tasks, find in their environment. Tasks run the python3 that comes first."""
    java = java_home()
    python = os.environ.get("NODE_PYTHON") or os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    nodes = HOME / "node"  # a folder with python3 alone: nothing else of that installation gets on the PATH
    nodes.mkdir(parents=True, exist_ok=True)
    (nodes / "python3").unlink(missing_ok=True)
    (nodes / "python3").symlink_to(python)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HADOOP_", "VIRTUAL_ENV", "MAKE"))}
    options = f"{MARK} -Xmx160m -XX:+UseSerialGC"
    # Else Java writes ? in place of what is not ASCII in the names of files; tasks get LANG alone.
    clean.update(LANG="C.UTF-8", LC_ALL="C.UTF-8")
    return {**clean, "JAVA_HOME": java, "HADOOP_OPTS": options, "PATH": f"{nodes}:{os.environ['PATH']}"}


def java_home() -> str:
    """JAVA_HOME, or what `java` on the PATH leads to."""
    named = os.environ.get("JAVA_HOME")
    if named and os.access(f"{named}/bin/java", os.X_OK):
        return named
    found = shutil.which("java")
    done = found and subprocess.run(
        [found, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    )
    for line in done.stderr.splitlines() if done else []:
        if line.strip().startswith("java.home ="):
            return line.partition("=")[2].strip()
    raise Trouble("no Java: install one of version 8, 11 or 17 (on Debian: apt-get install openjdk-17-jdk-headless)")


def fetch_jars() -> None:
    """Hadoop's jars and those it needs, by Maven, once."""
    if (HOME / "lib" / ".complete").exists():
        return
    if not shutil.which("mvn"):
        raise Trouble("no Maven, which fetches Hadoop's jars: install it (on Debian: apt-get install maven)")
    print("fetching Hadoop's jars (93 MB, once)", file=sys.stderr)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={HOME}/lib"]
    done = subprocess.run(["mvn", "-B", "-q", "-f", HERE / "pom.xml", *goal], capture_output=True, text=True)
    if done.returncode:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), "see `mvn` itself")
        raise Trouble(f"Maven could not fetch Hadoop's jars: {why}")
    (HOME / "lib" / ".complete").touch()


def install() -> None:
    """Launcher and configuration; the folders that HDFS wants."""
    (HOME / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "launcher.sh", HOME / "bin/hadoop")
    (HOME / "bin/hadoop").chmod(0o755)
    for name in ("hdfs", "yarn"):
        (HOME / "bin" / name).unlink(missing_ok=True)
        (HOME / "bin" / name).symlink_to("hadoop")
    for folder in ("pids", "logs", "data"):
        (HOME / folder).mkdir(exist_ok=True)
    configuration.write(HOME, PORT)


def start(name: str) -> None:
    """Starts one daemon, unless it runs."""
    if pid(name):
        return
    with open(HOME / "logs" / f"{name}.log", "ab") as log:
        command = [str(HOME / "bin/hadoop"), *DAEMONS[name]]
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (HOME / "pids" / name).write_text(str(process.pid))


def state() -> dict[str, object]:
    """What the masters say: live nodes, and whether HDFS is in safe mode. Empty where they do not answer."""
    found: dict[str, object] = {}
    try:
        with urlopen(f"http://127.0.0.1:{PORT + 1}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState") as reply:
            bean = json.load(reply)["beans"][0]
            found.update(datanodes=bean["NumLiveDataNodes"], safe=bean["FSState"] != "Operational")
    except (OSError, ValueError, LookupError):
        pass
    try:
        with urlopen(f"http://127.0.0.1:{PORT + 6}/ws/v1/cluster/metrics") as reply:
            found.update(nodemanagers=json.load(reply)["clusterMetrics"]["activeNodes"])
    except (OSError, ValueError, LookupError):
        pass
    return found


def ready() -> bool:
    """Whether everything answers."""
    try:
        socket.create_connection(("127.0.0.1", PORT + 7)).close()
    except OSError:
        return False
    return state() == {"datanodes": 2, "safe": False, "nodemanagers": 2}


def up() -> None:
    """Starts what does not run yet and waits until all of it answers."""
    complete = all(map(pid, DAEMONS))
    if not complete:
        if not any(map(pid, DAEMONS)):
            check_ports()
        java_home()
        fetch_jars()
        install()
        if not (HOME / "data/name/current/VERSION").exists():
            shutil.rmtree(HOME / "data", ignore_errors=True)  # disks of another file system would be refused
            formatted = subprocess.run(
                [HOME / "bin/hadoop", "namenode", "-format", "-nonInteractive"],
                env=environment(),
                capture_output=True,
                text=True,
            )
            if formatted.returncode:
                raise Trouble(f"HDFS could not be formatted: {formatted.stderr.strip().splitlines()[-1]}")
        for name in DAEMONS:
            start(name)
    deadline, missed = time.monotonic() + WAIT, set[str]()
    while not ready():
        missing = {name for name in DAEMONS if not pid(name)}
        if dead := sorted(missing & missed):  # twice: a shell that turns into Java has no command line for a moment
            down()
            raise Trouble(f"{dead[0]} did not start; its last words are in {HOME}/logs/{dead[0]}.log")
        missed = missing
        if time.monotonic() > deadline:
            raise Trouble(f"no answer after {WAIT} s ({state()}); see {HOME}/logs, or make hadoop-down and up again")
        time.sleep(0.5)
    if not complete:
        subprocess.run([HOME / "bin/hadoop", "fs", "-mkdir", "-p", "/tmp"], env=environment(), check=True)
    print(f"export HADOOP_HOME={HOME}\nexport PATH=$HADOOP_HOME/bin:$PATH")


def check_ports() -> None:
    """Raises where another program listens on one of our ports."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise Trouble(
                    f"port {port} is taken; choose {len(PORTS)} free ones with HADOOP_PORT=29820 make hadoop-up"
                ) from None


def down() -> None:
    """Stops the daemons that `up` has started, the last first; one that does not go within 10 s is killed."""
    running = {name: found for name in reversed(DAEMONS) if (found := pid(name))}
    for found in running.values():
        os.kill(found, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while any(map(pid, running)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for name, found in running.items():
        if pid(name):
            os.kill(found, signal.SIGKILL)
        (HOME / "pids" / name).unlink(missing_ok=True)
    print(f"stopped: {', '.join(running) or 'nothing was running'}", file=sys.stderr)


def status() -> None:
    """Prints a line a daemon, and what the masters say; exit status 1 where not all is well."""
    for name in DAEMONS:
        found = pid(name)
        print(f"{name:16}" + (f"process {found}" if found else "not running"))
    said = state()
    print(f"{'hdfs':16}{said.get('datanodes', 0)} of 2 DataNodes" + ", safe mode" * bool(said.get("safe")))
    print(f"{'yarn':16}{said.get('nodemanagers', 0)} of 2 NodeManagers")
    if not ready():
        raise Trouble("not ready: make hadoop-up")


if __name__ == "__main__":
    try:
        {"up": up, "down": down, "status": status}[sys.argv[1] if len(sys.argv) == 2 else "status"]()
        sys.stdout.flush()
    except Trouble as trouble:
        sys.exit(f"hadoop: {trouble}")
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
