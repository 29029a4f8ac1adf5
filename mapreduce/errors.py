"""The errors that a user can mend, each with its exit code.

Every command catches `UserError`, prints its one line to stderr and exits with its code. A traceback
means a fault of ours, or of the user's own job.
"""

from __future__ import annotations


class UserError(Exception):
    """One line for the user: what was wrong, where, what was received and what to do."""

    exit_code = 2


class PathError(UserError, OSError):
    """A file or a folder cannot be read or written; also an OSError, as programs that run mrjob's runners expect it."""


class RecordError(UserError):
    """The input holds records that cannot be used."""

    exit_code = 3


class TaskError(UserError):
    """A task of a job failed in all its attempts."""

    exit_code = 1


class LeakError(UserError):
    """Training and test set share texts, and that is forbidden."""

    exit_code = 4


class Rejected(Exception):
    """A line that is no record; the argument is the cause."""
