"""The jobs' counts in arrays, and what features weigh by them. Nothing is trained here."""
