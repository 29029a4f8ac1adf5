"""The MapReduce half of the project: jobs, their runners and the formats between them.

It runs on cluster nodes, so it imports the standard library and mrjob, and anything else only where it is asked for.
It knows no model.
"""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that this package is imported from: a checkout, or where packages are installed."""
