"""The practice cluster of Spark: a standalone master and two workers on loopback, from the pyspark package.

`up` starts them, waits until both workers are there and prints the master's address; `down` stops what `up` started and
nothing else; `status` says what runs. All files are in `.cluster` beside this one. It is for practice and tests: no
security. Hadoop's practice cluster, on which Spark runs by YARN, is another one (`tests/hadoop/cluster.py`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent / ".cluster"
PORT = int(os.environ.get("SPARK_PORT", "27077"))
MASTER = f"spark://127.0.0.1:{PORT}"
WORKERS = ("worker-1", "worker-2")
WAIT = 60


class Trouble(Exception):
    """One line for the user."""


def spark_class() -> str:
    """The program of the pyspark package that starts daemons."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise Trouble("no pyspark: pip install 'featuremill[spark]'")
    return str(Path(found.origin).parent / "bin" / "spark-class")


def pid(name: str) -> int | None:
    """The process of a daemon, where it runs; a number that another process has by now does not count."""
    try:
        found = int((HOME / name / "pid").read_text())
        done = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(found)], capture_output=True, text=True)
    except (OSError, ValueError):
        return None
    return found if "org.apache.spark.deploy" in done.stdout else None  # spark-class first, then Java in its place


def start(name: str) -> None:
    """Starts one daemon, unless it runs."""
    if pid(name):
        return
    folder = HOME / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log").unlink(missing_ok=True)
    kind, flags = "master.Master", ["--port", str(PORT)]
    if name != "master":
        kind, flags = "worker.Worker", [MASTER, "--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work")]
    command = [spark_class(), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1", "--webui-port", "0", *flags]
    settings = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPARK_", "VIRTUAL_ENV", "MAKE"))}
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            command,
            env={**clean, **settings, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(process.pid))


def registered() -> int:
    """How many workers the master knows."""
    log = HOME / "master" / "log"
    return len(set(re.findall(r"Registering worker (\S+)", log.read_text()))) if log.exists() else 0


def up() -> None:
    """Starts all of it, and waits for it."""
    fresh = pid("master") is None
    for name in ("master", *WORKERS):
        start(name)
    end = time.monotonic() + WAIT
    while fresh and registered() < len(WORKERS):
        lost = [name for name in ("master", *WORKERS) if pid(name) is None]
        if lost or time.monotonic() > end:
            name = (lost or ["master"])[0]
            raise Trouble(f"{name} does not answer; {HOME / name / 'log'} says why")
        time.sleep(0.2)
    print(f"Spark's master is {MASTER}. To use it:\n")
    print(f"  python jobs/wordcount.py -r spark --spark-master {MASTER} --spark-tmp-dir /tmp README.md")


def down() -> None:
    """Stops what `up` has started."""
    for name in (*WORKERS, "master"):
        if (found := pid(name)) is not None:
            os.kill(found, signal.SIGTERM)
            end = time.monotonic() + 20
            while pid(name) is not None and time.monotonic() < end:
                time.sleep(0.1)
            if pid(name) is not None:
                os.kill(found, signal.SIGKILL)


def status() -> None:
    """Says what runs."""
    for name in ("master", *WORKERS):
        found = pid(name)
        print(f"{name}: {f'runs, process {found}' if found else 'does not run'}")


def main() -> int:
    """The command; returns its exit code."""
    commands = {"up": up, "down": down, "status": status}
    try:
        if sys.argv[1:] not in [[name] for name in commands]:
            raise Trouble(f"usage: cluster.py {' | '.join(commands)}")
        commands[sys.argv[1]]()
    except Trouble as error:
        print(f"spark: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
