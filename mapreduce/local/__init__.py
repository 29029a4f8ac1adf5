"""The runners of one machine, in this process or in children, with Hadoop's semantics."""
