"""Export: writes a model folder, by every kind of file in `models.serving.exports`, with its manifest and `_SUCCESS`.

A model that is served is described by an object of `models.serving.text_model`, `models.serving.linear_model` or
`models.serving.pixel_model`; what a file of it looks like, the modules of EXPORTS say. Nothing is trained or measured
here; `models.load` reads what is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import atomic
from mapreduce.output import manifest as manifests
from models.serving import linear_graph
from models.serving.exports import EXPORTS
from models.serving.served import Served


def export(
    served: Served,
    *,
    directory: str | os.PathLike[str],
    manifest: dict[str, Any],
    files: Mapping[str, bytes] | None = None,
    kinds: Sequence[str] | None = None,
) -> None:
    """Writes `directory` as a whole; a model that is there already is replaced.

    Args:
        served: the model.
        manifest: from `mapreduce.output.manifest.build("model", ...)`; what the model is is added.
        files: more files, by name.
        kinds: names in `models.serving.exports.EXPORTS`; None is all.

    Raises:
        UserError: the numbers of labels and of logits differ, or a token cannot be written.
    """
    if served.labels is not None and served.outputs != len(served.labels):
        raise UserError(f"export: the model has {served.outputs} outputs for {len(served.labels)} labels")
    found = {**manifest, "kind": "model", **served.about()}
    found["model"] = {**found["model"], "labels": list(served.labels or []), "scale": served.scale}
    with atomic.whole_folder(directory) as name, atomic.beside(str(directory)) as scratch:
        folder = Path(name)
        served.prepare(Path(scratch))
        wanted = list(EXPORTS if kinds is None else kinds)
        apart = linear_graph.apart(served, wanted)
        for kind in wanted:
            if kind not in apart:
                EXPORTS[kind](served, folder)
        if apart:
            linear_graph.write(folder, Path(scratch), apart, found)
        for file, data in (files or {}).items():
            (folder / file).write_bytes(data)
        manifests.write(folder, found)
