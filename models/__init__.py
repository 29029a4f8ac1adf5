"""Models of texts and images: the bridge from shards, architectures, training, export, and what was exported in use.

`load` reads an exported model, `load_keras` the Keras file beside it. NumPy and TensorFlow are imported when they are
needed.
"""

from models.serving.load import load, load_keras

__all__ = ["load", "load_keras"]
