# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of request that a burst can be made of, a module for each."""

from collections.abc import Mapping

from harness.compare.kinds import hugetlb, module, mthp, thp
from harness.compare.kinds.base import OPTION, Kind, RequestKind
from harness.errors import RecordError
from harness.texts.text import shown

KINDS: Mapping[RequestKind, Kind] = {
    RequestKind.MODULE: module.KIND,
    RequestKind.THP: thp.KIND,
    RequestKind.MTHP: mthp.KIND,
    RequestKind.HUGETLB: hugetlb.KIND,
}


def kind_of(command: str) -> Kind:
    """Return the kind that an arm's command names; RecordError if there is none of that name."""
    words = command.split()
    if OPTION not in words[:-1]:
        return KINDS[RequestKind.MODULE]
    name = words[words.index(OPTION) + 1]
    if name not in set(RequestKind):
        raise RecordError(f"command: {shown(name)} is no kind of request; run the arm again")
    return KINDS[RequestKind(name)]
