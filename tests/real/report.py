"""What the Python drivers of an endpoint share: a line for each check, and the count at the end."""

import os

import anyio


def cause(error):
    """What is inside the exception groups in which these clients' task groups wrap everything."""
    while getattr(error, "exceptions", None):
        error = error.exceptions[0]
    return error


class Report:
    """One line a check, and a count at the end."""

    def __init__(self, label):
        self.label, self.passed, self.failed = label, 0, 0

    async def check(self, name, body):
        """Runs one check, at most 60 s, and prints its line."""
        try:
            with anyio.fail_after(60):
                await body()
        except Exception as error:  # a failed check must not end the run
            self.fail(name, error)
        else:
            self.passed += 1
            print(f"ok {self.label}: {name}", flush=True)

    def fail(self, name, error):
        self.failed += 1
        why = " ".join(f"{type(cause(error)).__name__} {cause(error)}".split())
        print(f"not ok {self.label}: {name}: {why}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        # A client that hangs while it closes must not hang the test bed.
        os._exit(0 if self.failed == 0 else 1)
