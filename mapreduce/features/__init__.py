"""What the jobs compute: counts, ids, ranks, duplicates, sums of pixels. It knows no runner."""
