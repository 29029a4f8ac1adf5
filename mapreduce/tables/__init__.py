"""Tables: types of columns, schemas, expressions over rows, and figures that can be merged in any order."""
