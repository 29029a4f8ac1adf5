"""Imports TensorFlow without the notices that it writes to stderr while it starts.

A command of ours says one line when something is wrong, and that line must be seen. Errors are kept; nothing else of
TensorFlow is changed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from types import ModuleType


def import_tensorflow() -> ModuleType:
    """TensorFlow, imported with file descriptor 2 set aside; what was written there is shown if the import fails.

    Its C++ log level is set to errors that end the process, unless TF_CPP_MIN_LOG_LEVEL says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            import keras  # noqa: F401 - TensorFlow imports it late, with notices of its own
            import tensorflow as tf
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    module: ModuleType = tf
    return module
