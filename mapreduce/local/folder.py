"""The private folder of a runner on this machine, in place of mrjob's own, whose name can be guessed and which stays
when its driver is killed. It is mixed into a runner of mrjob's.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from mapreduce.command import unusable
from mapreduce.output import atomic
from mapreduce.paths import absolute


class PrivateFolder:
    """Makes and removes the folder.

    Attributes:
        _beside: the path beside which it is made; None for one among the system's temporary files.
    """

    _opts: dict[str, Any]
    _beside: str | None = None
    _local_tmp_dir: str | None
    _lock = -1

    def _get_local_tmp_dir(self) -> str:
        if not self._local_tmp_dir:
            folder = self._opts["local_tmp_dir"] or tempfile.gettempdir()
            beside = self._beside or os.path.join(absolute(folder), "mapreduce")
            try:
                os.makedirs(os.path.dirname(beside), exist_ok=True)
                self._local_tmp_dir, self._lock = atomic.temporary_folder(beside)
            except OSError as error:
                raise unusable(error) from None
        return self._local_tmp_dir

    def _cleanup_local_tmp(self) -> None:
        if self._local_tmp_dir:
            atomic.remove(self._local_tmp_dir)
            os.close(self._lock)
        self._local_tmp_dir = None
