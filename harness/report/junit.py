# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml: one test case per check, for CI; no time stamps, so equal runs give equal files."""

import re
from xml.etree import ElementTree as ET

from harness.checks.base import CheckResult, Status
from harness.report.document import Run

# What XML 1.0 cannot carry at all, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run) -> str:
    """Return the whole file."""
    counts = {status: sum(check.status is status for check in run.checks) for status in Status}
    suite = ET.Element(
        "testsuite",
        name=f"buddylab {run.key.mode} {run.scale}",
        tests=str(len(run.checks)),
        failures=str(counts[Status.FAILED]),
        errors="0",
        skipped=str(counts[Status.NOT_APPLICABLE]),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("kernel", run.uname_r),
        ("replay_key", run.key_digest),
        ("raw_digest", run.raw_digest),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    for check in run.checks:
        _add_case(suite, check)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, check: CheckResult) -> None:
    case = ET.SubElement(suite, "testcase", classname="buddylab.checks", name=check.name)
    text = _clean("\n".join((f"why: {check.why}", *check.details)))
    if check.status is Status.FAILED:
        ET.SubElement(case, "failure", message=_clean(check.details[0])).text = text
    elif check.status is Status.NOT_APPLICABLE:
        ET.SubElement(case, "skipped", message=_clean(check.details[0]))
    else:
        ET.SubElement(case, "system-out").text = text


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
