"""The stand-ins for modules that Python no longer has, also under a real Python 3.13."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mapreduce.mrjob_compat import LooseVersion, stand_ins


def test_versions_compare_by_number() -> None:
    assert LooseVersion("2.10") > LooseVersion("2.9")
    assert LooseVersion("2.10") >= "2.10"
    assert LooseVersion("0.20") < LooseVersion("1.0")
    assert LooseVersion("3.4.2") == "3.4.2"


def test_stand_ins_go_away() -> None:
    before = sys.modules.get("distutils")
    with stand_ins():
        import distutils.spawn

        assert distutils.spawn.find_executable("sh") == shutil.which("sh")  # type: ignore[attr-defined]
    assert sys.modules.get("distutils") is before


def python_313(folder: Path) -> tuple[str, dict[str, str]]:
    """A CPython 3.13: this one, one on the PATH, or the one in Maven's central repository."""
    for name in (sys.executable, "python3.13"):
        found = shutil.which(name)
        version = "import sys; print(sys.version_info[:2] == (3, 13))"
        if found and subprocess.run([found, "-c", version], capture_output=True, text=True).stdout == "True\n":
            return found, {}
    if not shutil.which("mvn") or sys.platform != "linux":
        pytest.skip("no Python 3.13 here, and no Maven to get one")
    artifact = "org.bytedeco:cpython:3.13.0-1.5.11:jar:linux-x86_64"
    subprocess.run(
        ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], check=True
    )
    with zipfile.ZipFile(next(folder.glob("*.jar"))) as jar:
        jar.extractall(folder)
    home = next(folder.rglob("bin/python3.13")).parent.parent
    (home / "bin" / "python3.13").chmod(0o755)
    return str(home / "bin" / "python3.13"), {"LD_LIBRARY_PATH": str(home / "lib"), "PYTHONHOME": str(home)}


@pytest.mark.slow
def test_jobs_run_on_python_313(tmp_path: Path, root: Path) -> None:
    import mrjob

    python, env = python_313(tmp_path / "cpython")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "mrjob").symlink_to(Path(mrjob.__file__).parent)
    path = f"{tmp_path / 'packages'}{os.pathsep}{root}"
    done = subprocess.run(
        [python, str(root / "jobs" / "wordcount.py"), "-r", "local"],
        input=b"b a b",
        capture_output=True,
        env={**os.environ, **env, "PYTHONPATH": path},
    )
    assert (done.stdout, done.returncode) == (b"a\t1\nb\t2\n", 0), done.stderr.decode()
