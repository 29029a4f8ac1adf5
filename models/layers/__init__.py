"""Layers and functions inside the graph: tokenizer, vocabulary, bags, and what networks are made of."""
