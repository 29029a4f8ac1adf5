"""A user's own job, for the tests: it lives anywhere and imports a module beside it."""

from beside import shout

from mapreduce.job import Job


class Shout(Job):
    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--fail", default="")
        self.add_passthru_arg("--once", action="store_true")

    def mapper(self, _, line):
        trouble(self.options.fail, line)
        for word in line.split():
            yield shout(word), 1

    def combiner(self, word, counts):
        yield word, sum(counts)

    def reducer(self, word, counts):
        yield word, sum(counts)


def trouble(kind, line):
    """What the tests provoke on a node."""
    import os
    import signal
    import time

    first = os.environ.get("mapreduce_task_attempt_id", "").endswith("_0")
    if not kind or "trouble" not in line:
        return
    if kind == "raise":
        raise ValueError("no good: 42")
    if kind == "import":
        import not_on_the_node  # noqa: F401
    if kind == "kill" or (kind == "kill-once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "memory":
        hoard = [b"x" * 10**6 for _ in range(1500)]
        time.sleep(len(hoard) // 25)
    if kind == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "sleep":
        time.sleep(45)


if __name__ == "__main__":
    Shout.run()
