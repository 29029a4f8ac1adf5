"""The outer edge of all commands: what a user sees of an error, and which exit code comes of it."""

from __future__ import annotations

import os

import pytest

from mapreduce import command
from mapreduce.errors import LeakError, RecordError, TaskError, UserError


@pytest.mark.parametrize(("kind", "code"), [(UserError, 2), (RecordError, 3), (TaskError, 1), (LeakError, 4)])
def test_an_error_of_the_user_is_one_line_and_its_code(
    kind: type[UserError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise kind("file, line 3: no number. Received: x")

    assert command.run("count", work) == code
    assert capsys.readouterr() == ("", "count: file, line 3: no number. Received: x\n")


def test_other_errors_pass() -> None:
    def work() -> None:
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError):
        command.run("count", work)


def test_a_missing_package_is_named_with_the_line_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise ModuleNotFoundError(name="tensorflow")

    assert command.run("train", work) == 2
    assert capsys.readouterr().err == "train: tensorflow is not installed; run: pip install 'featuremill[models]'\n"
    with pytest.raises(ModuleNotFoundError):
        command.run("train", lambda: exec("import a_module_of_the_users_own"))


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    assert command.run("count", work, interrupted="interrupted; nothing was written") == 130
    assert capsys.readouterr().err == "count: interrupted; nothing was written\n"


def test_a_broken_pipe_that_is_not_stdout_is_no_success() -> None:
    def work() -> None:
        read, write = os.pipe()
        os.close(read)
        try:
            os.write(write, b"x")
        finally:
            os.close(write)

    with pytest.raises(BrokenPipeError):
        command.run("count", work)
