# SPDX-License-Identifier: Apache-2.0
"""conformance.py [TESTLOG.json...]: what each binding is shown to do, a row a feature, a column a
language; a cell is the name of the test that shows it, or, in brackets, why the language has none.
The rows are those of conformance.txt. A name that no test of
that language has is a problem, and so is a test that no cell names. With logs of meson, the line
under the languages' names says which of them were run."""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = {  # the files of its rows, what a test looks like in them, and what meson calls them
    "C++": (["cpp/conformance.cpp", "cpp/bad_input.cpp"], r"ROW\((\w+)\)", r"cpp(17|20) "),
    "Python": (["python/tests/conformance.py", "python/tests/bad_input.py"],
               r"@row\n(?:async )?def (\w+)", r"python (conformance|bad_input)$"),
    "Go": (["go/conformance_test.go", "go/bad_input_test.go", "go/outbox_test.go"],
           r"^func Test(\w+)\(", r"go tests$"),
    "Rust": (["rust/rill/tests/conformance.rs", "rust/rill/tests/bad_input.rs"],
             r"#\[test\]\nfn (\w+)\(", r"rust rows$"),
    "Node": (["node/test/conformance.test.mjs", "node/test/bad_input.test.mjs"],
             r"^test\('(\w+)'", r"node (conformance|bad_input)$"),
}
# The languages in that order. A reason begins with "-", and "_" are its blanks.
TABLE = (HERE / "conformance.txt").read_text()
# Tests of what only one language has.
OWN = {
    "C++": "reap_beside_a_throw options_given_twice close_that_gives_up ranges_of_cpp20 coroutines "
           "coroutine_without_memory",
    "Python": "descriptor_of_a_subscription handles_that_were_never_opened closed_while_it_is_read "
              "nothing_is_left "
              "another_thread_drops_it threads_leave_nothing errors_leave_nothing",
    "Go": "HandlesThatWereNeverOpened GoexitInAHandler ClosedWhileItIsRead "
          "NothingIsLeft HandlesLeaveNothing "
          "APublishThatTurnsDoors ClosedWhileAPublishWaits PublishesThatWaitForRoom "
          "UnstoredMessagesOfConsumeAreLetGo AWaitForAnAppendThatIsGivenUp SeekBesideOnMsg "
          "ABusKeepsItsBroker GatheredMessagesKeepTheirOrder GatheredMessagesGoByThemselves "
          "GatheredMessagesOfAForgottenBus GatheredMessagesAndErrors ErrorsOfGatheredMessages "
          "GatheredByManyGoroutines CloseSendsWhatWasGathered",
    "Rust": "threads_that_may_have_them calls_that_are_awaited a_wire_without_a_descriptor "
            "hooks_of_the_host data_as_bytes functions_that_panic_in_a_call waits_in_a_handler "
            "handles_leave_nothing",
    "Node": "SubscriptionsThatAreHeardAreKept "
            "IdleProcessesEnd WorkersThatAreTerminated HandlesLeaveNothing "
            "SlowReadersMeetTheirBounds ListsThatCloseWhatTheyAreFor",
}
FEATURE = 25  # columns


def rows():
    for line in TABLE.strip().splitlines():
        yield line[:FEATURE].strip(), dict(zip(LANGUAGES, line[FEATURE:].split(), strict=True))


def problems():
    for language, (files, pattern, _) in LANGUAGES.items():
        tests = {name for file in files
                 for name in re.findall(pattern, (HERE / file).read_text(), re.M)}
        named = {cells[language] for _, cells in rows()
                 if not cells[language].startswith("-")}
        own = set(OWN[language].split())
        for name in sorted((named | own) - tests):
            yield f"{language} has no test {name}"
        for name in sorted(tests - named - own):
            yield f"{language}: no row names the test {name}"


def outcome(language, logs):
    """What meson says of its tests: passed, failed, or that they were not run here."""
    results = [test["result"] for log in logs if pathlib.Path(log).is_file()
               for test in map(json.loads, pathlib.Path(log).read_text().splitlines())
               if re.search(LANGUAGES[language][2], test["name"])]
    if not results or all(result == "SKIP" for result in results):
        return "(not run here)"
    return "(passed)" if set(results) <= {"OK", "SKIP"} else "(failed)"


def printed(cell):
    return f"({cell[1:].replace('_', ' ')})" if cell.startswith("-") else cell


def table(logs):
    lines = [["", *LANGUAGES]]
    if logs:
        lines.append(["", *(outcome(language, logs) for language in LANGUAGES)])
    lines += [[feature, *map(printed, cells.values())] for feature, cells in rows()]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


table(sys.argv[1:])
wrong = list(problems())
for problem in wrong:
    print(problem)
sys.exit(1 if wrong else 0)
