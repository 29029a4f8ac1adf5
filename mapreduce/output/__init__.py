"""What a finished output is: manifest, vocabulary, kept steps, and how it gets its name. Nothing is computed."""
