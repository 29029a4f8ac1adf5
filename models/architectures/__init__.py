"""Architectures of text models: from integers to logits, each one function that returns a keras.Model.

A module says what its model reads, INPUT = "ids" or "bag", as `models.dataset.read` gives it. Architectures see no
strings, no files and no labels' names; tokenizer and vocabulary are joined to a trained model by `models.export`.
"""
