# SPDX-License-Identifier: GPL-2.0-only
"""What the verbs that judge a run say, and the exit code that says it to a script."""

from harness.errors import Exit
from harness.report.document import Run, Verdict
from harness.report.terminal import terminal_summary


def print_verdict(judged: Run) -> int:
    """Print the summary of a judged run; OK only where all checks hold."""
    print(terminal_summary(judged))
    return Exit.OK if judged.verdict is Verdict.ALL_HOLD else Exit.CHECK_FAILED
