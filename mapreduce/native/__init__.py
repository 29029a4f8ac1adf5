"""The native twin of counting, encoding and the shuffle: C, and the Python that calls it through ctypes."""
