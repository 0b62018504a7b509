# SPDX-License-Identifier: GPL-2.0-only
"""What comes in any order, told in the order in which it was asked for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Each = TypeVar("_Each")


@dataclass(slots=True)
class InOrder(Generic[_Each]):
    """Tells each as soon as all before it have come; may be given them by any thread."""

    tell: Callable[[_Each], None]
    _come: dict[int, _Each] = field(default_factory=dict)
    _told: int = 0  # all below this number
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def came(self, number: int, each: _Each) -> int:
        """Note one, of a number from 0 up; return how many have come."""
        with self._lock:
            self._come[number] = each
            while self._told in self._come:
                self.tell(self._come[self._told])
                self._told += 1
            return len(self._come)

    def end(self) -> tuple[_Each, ...]:
        """Tell those behind one that never came; return all, in order."""
        with self._lock:
            numbers = sorted(self._come)
            for number in numbers:
                if number > self._told:
                    self.tell(self._come[number])
            return tuple(self._come[number] for number in numbers)
