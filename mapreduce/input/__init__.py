"""From paths to records: files, splits, formats, and what becomes of lines that are none. No tokens here."""
