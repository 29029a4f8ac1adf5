"""The jobs, one MRJob a file. Each runs as a script and none imports another: a job script is uploaded alone."""
