"""Architectures: from integers, pixels or numbers to logits, each one function that returns a keras.Model.

A module says what its model reads, INPUT = "ids", "bag", "pixels" or "table", as `models.dataset.read` gives it, and
has a function of its own name: `f(features, labels)` for texts, `f(shape, labels)` for images and rows. Where OUTPUT =
"pixels" the model gives images back and takes no labels. With its candidates in `models.training.candidates` it can be
trained. Architectures see no strings, no files and no labels' names; tokenizer and vocabulary are joined to a trained
model by `models.serving.text_model`.
"""
