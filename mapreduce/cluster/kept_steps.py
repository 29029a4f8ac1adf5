"""Completed steps of a job on Hadoop: a folder on the cluster that keeps them (see `mapreduce.output.kept_steps`)."""

from __future__ import annotations

import os
import posixpath
import re
from functools import cached_property
from typing import Any

from mapreduce.cluster.hdfs import File, Hdfs
from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest


class ClusterFolder:
    """A folder on a cluster; a look costs a start of `hadoop`, and so does every change."""

    def __init__(self, path: str, hdfs: Hdfs) -> None:
        self.path, self._hdfs = path.rstrip("/"), hdfs

    def step(self, number: int) -> str:
        """The path of a step."""
        return f"{self.path}/{number:04d}"

    @cached_property
    def _files(self) -> list[File]:
        return self._hdfs.list([self.path])[0]

    @cached_property
    def _manifests(self) -> dict[int, dict[str, Any]]:
        if not any(posixpath.basename(file.path) == manifest.NAME for file in self._files):
            return {}
        text = b"".join(self._hdfs.cat(f"{self.path}/*/{manifest.NAME}")).decode("ascii", "replace")
        found = [manifest.parse(one.encode(), self.path) for one in re.split(r"(?m)^(?=\{)", text) if one]
        return {one["arguments"].get("step"): one for one in found}

    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._files

    def find(self, number: int) -> dict[str, Any] | None:
        """The manifest of a step that is there and whole, by the sizes of its parts."""
        start = f"/{number:04d}/"
        sizes = {file.path.rpartition(start)[2]: file.size for file in self._files if start in file.path}
        try:
            found = self._manifests.get(number)
        except UserError:
            return None
        parts = {part["name"]: part["size"] for part in found["parts"]} if found else {}
        whole = manifest.SUCCESS in sizes and parts == {n: size for n, size in sizes.items() if n[:1] != "_"}
        return found if whole else None

    def write(self, number: int, description: dict[str, Any]) -> None:
        """Puts the manifest beside the parts of a step, and with it _SUCCESS."""
        files, _ = self._hdfs.list([f"{self.step(number)}/part-*"])
        parts = [{"name": posixpath.basename(file.path), "size": file.size} for file in files]
        data = manifest.encode({**description, "parts": parts})
        folder = atomic.scratch()
        paths = [os.path.join(folder, name) for name in (manifest.NAME, manifest.SUCCESS)]
        for path, content in zip(paths, (data, manifest.success(data))):
            with open(path, "wb") as file:
                file.write(content)
        self._hdfs.put(paths, f"{self.step(number)}/")

    def remove(self, number: int) -> None:
        """Removes what is there of a step."""
        self._hdfs.remove([self.step(number)])
