# SPDX-License-Identifier: GPL-2.0-only
"""The numbers of what is saved: raised when a form changes, so that no file is read as another.

tests/unit/record/test_schemas.py holds each form to its number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import RecordError


@dataclass(frozen=True, slots=True)
class Schema:
    """One saved form: its present number, and which commit reads what an earlier one wrote."""

    number: int
    readers: Mapping[int, str] = field(default_factory=dict)
    # Earlier forms of which the present one has all, and more that may be absent.
    also: frozenset[int] = frozenset()

    def require(self, found: int, what: str) -> None:
        """Refuse what another version wrote; RecordError says who reads it."""
        if found == self.number or found in self.also:
            return
        instead = (
            f"commit {self.readers[found]} of this project reads it"
            if found in self.readers
            else "another version of this project wrote it"
        )
        raise RecordError(
            f"{what} has schema {found}, this version reads {self.number}; {instead}, or run again"
        )


# manifest.json of the cache's entries: one of another form is made anew.
MANIFEST = Schema(2)
# key.json, run.json and the predictions of a run folder.
RUN = Schema(5, {1: "c3e457c", 2: "9919582", 3: "125bea5", 4: "04028cd"}, also=frozenset({3, 4}))
# What the digest of a replay key is taken of (harness.record.key.ReplayKey).
KEY = Schema(2, {1: "c3e457c"})
# bundle.json of a bundle.
BUNDLE = Schema(3, {1: "9919582", 2: "04028cd"}, also=frozenset({2}))
# kernels.json, results.json.gz and the files of single arms and states.
COMPARISON = Schema(
    16,
    {
        1: "0aa8662",
        2: "c3e457c",
        3: "2ec25f9",
        4: "a5222ba",
        5: "9919582",
        6: "a33a303",
        7: "88f55b5",
        8: "4253ea4",
        9: "3c886ec",
        10: "efebef1",
        11: "a7b720e",
        12: "04028cd",
        13: "6eb2fba",
        14: "1af9828",
        15: "55ea446",
    },
    also=frozenset({7, 8, 9, 10, 11, 12, 13, 14, 15}),
)
# workers.json of a comparison's folder: only looked at, so an earlier form is not.
WORKERS = Schema(1)
# second_opinion.json and the files of single live boots.
SECOND_OPINION = Schema(1)
