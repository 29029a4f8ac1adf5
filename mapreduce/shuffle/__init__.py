"""From a mapper's lines to a reducer's: combined, partitioned, sorted, spilled, merged. It starts no task."""
