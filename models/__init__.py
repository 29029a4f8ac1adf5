"""Models of texts, images and tables: the bridge from shards, architectures, training, export, and their use.

`load` reads an exported model, `load_keras` the Keras file beside it; `reads` says what a model takes. NumPy and
TensorFlow are imported when they are needed.
"""

from models.serving.load import load, load_keras, reads

__all__ = ["load", "load_keras", "reads"]
