"""Images for the tests of what reads them: IDX files as their format says, pictures by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def idx(values: bytes, *shape: int) -> bytes:
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes() + values


def picture(path: Path, pixels: np.ndarray[Any, Any], **saved: Any) -> None:
    """Writes a PNG or JPEG file, by its suffix, of uint8 [height, width] or [height, width, channels]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **saved)
