# SPDX-License-Identifier: Apache-2.0
"""natspy_suite.py MODULE...: run nats.py's own tests, print one line a test: its name and OK, FAIL
or SKIP."""
import sys
import unittest


class Lines(unittest.TestResult):
    def addSuccess(self, test):
        print(test.id(), "OK", flush=True)

    def addSkip(self, test, reason):
        print(test.id(), "SKIP", flush=True)

    def addFailure(self, test, err):
        if err[0].__name__ == "Skipped":  # pytest's, of which the suite makes use
            return self.addSkip(test, str(err[1]))
        print(test.id(), "FAIL", flush=True)
        print(self._exc_info_to_string(err, test), file=sys.stderr, flush=True)

    addError = addFailure


suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
suite.run(Lines())
