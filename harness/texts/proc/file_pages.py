# SPDX-License-Identifier: GPL-2.0-only
"""Pages of files, of /proc/zoneinfo: lines that zoneinfo.py has no need for.

mm/vmstat.c zoneinfo_show_print prints nr_zone_active_file and nr_zone_inactive_file for each zone
that has pages.
"""

import re

from harness.texts.pages import PageCount
from harness.texts.proc.zoneinfo import parse_zoneinfo
from harness.texts.text import damaged, natural

_FILE = re.compile(r"^ +nr_zone_(?:in)?active_file +([0-9]+)$", re.MULTILINE)


def parse_file_pages(text: str) -> PageCount:
    """Return the pages of files of all zones; RecordError if the text is not whole."""
    populated = parse_zoneinfo(text).populated
    found = [natural(pages, "zoneinfo") for pages in _FILE.findall(text)]
    if len(found) != 2 * len(populated):
        raise damaged("zoneinfo", f"{len(found)} counts of file pages for {len(populated)} zones")
    return PageCount(sum(found))
