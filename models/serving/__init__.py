"""A model folder: what is served of a trained model, the files it is written to, and loading them."""
