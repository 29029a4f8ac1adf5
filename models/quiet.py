"""Keeps what TensorFlow and its like write to stderr away from the user, whose errors of one line must be seen.

Nothing is lost where it matters: after an exception, or a crash of the process, all of it is shown. Nothing else of
these packages is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from mapreduce.command import missing

_WELL = "mapreduce: all is well"
# Holds what comes until all writers are gone, and prints it unless the last word was that all is well.
_HOLDER = f'held=$(cat); case $held in "" | *"{_WELL}") ;; *) printf "%s\\n" "$held" >&2 ;; esac'


@contextmanager
def quiet() -> Iterator[None]:
    """File descriptor 2 goes to a process that holds what is written there and shows it if the block does not end well.

    It is a process of its own so that it outlives a crash of this one.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    # A session of its own, as Ctrl-C is not for it.
    command = ["/bin/sh", "-c", _HOLDER]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    assert holder.stdin is not None
    os.dup2(holder.stdin.fileno(), 2)
    holder.stdin.close()
    well = False
    try:
        yield
        well = True
    except KeyboardInterrupt:
        well = True
        raise
    finally:
        sys.stderr.flush()
        os.write(2, _WELL.encode() if well else b"")
        os.dup2(kept, 2)
        os.close(kept)
        holder.wait()


def import_tensorflow() -> ModuleType:
    """TensorFlow, imported quietly.

    Its C++ log level is set to errors that end the process, unless TF_CPP_MIN_LOG_LEVEL says otherwise.

    Raises:
        UserError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    try:
        with quiet():
            import keras  # noqa: F401 - TensorFlow imports it late, with notices of its own
            import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name not in ("keras", "tensorflow"):
            raise
        raise missing("tensorflow") from None
    module: ModuleType = tf
    return module
