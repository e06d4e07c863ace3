# SPDX-License-Identifier: MIT
#
# Runs modules of Python's own test suite and prints one sorted line for each
# test that did not simply pass, then the counts: output that two runs can be
# compared by.  No resource that needs a network or a display is enabled.
#   pytests.py module...
import io
import sys
import unittest

from test import support

support.use_resources = []
support.verbose = 0


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, test, outcome):
        self.seen.append((str(test).split("\n")[0], outcome))

    def addSuccess(self, test):
        self.note(test, "ok")

    def addSkip(self, test, reason):
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")

    def addFailure(self, test, err):
        self.note(test, "FAIL")
        print(self._exc_info_to_string(err, test), file=sys.stderr)

    def addError(self, test, err):
        self.note(test, "ERROR")
        print(self._exc_info_to_string(err, test), file=sys.stderr)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(subtest, err)


# The guard is for tests that start this program again through multiprocessing.
if __name__ == "__main__":
    for name in sys.argv[1:]:
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        result = Result()
        suite.run(result)
        counts = {}
        for test, outcome in sorted(result.seen):
            counts[outcome] = counts.get(outcome, 0) + 1
            if outcome != "ok":
                print(f"{name}: {outcome}: {test}")
        print(f"{name}: {result.testsRun} run,",
              ", ".join(f"{n} {k}" for k, n in sorted(counts.items())))
    sys.stdout.flush()
