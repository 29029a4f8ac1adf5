"""Data sets by name and converters: what makes record lines of what people have. Each command is a file here.

What follows, the counting of records, is in jobs; of the project only `mapreduce` is imported.
"""
