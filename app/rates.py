"""How often something may be done: a bucket for each, which holds a minute's worth and fills up evenly.

In this process's memory only, so several processes allow each their own share.
"""

import time
from collections.abc import Callable, Hashable

from cachetools import TTLCache

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_MOST_KNOWN = 100_000


class Rate:
    """`per_minute` 0 is no limit. Nanoseconds are added exactly."""

    def __init__(self, per_minute: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._interval = _MINUTE // per_minute if per_minute else 0
        self._clock = clock
        # When the bucket of each will be full again; whoever takes nothing for a minute has a full one.
        self._full_at: TTLCache[Hashable, int] = TTLCache(maxsize=_MOST_KNOWN, ttl=_MINUTE, timer=clock)

    def wait(self, whose: Hashable) -> int:
        """Seconds until there is something to take, 0 when there is."""
        now = self._clock()
        missing = self._full_at.get(whose, now) + self._interval - _MINUTE - now
        return max(0, -(-missing // _SECOND))

    def take(self, whose: Hashable) -> None:
        now = self._clock()
        self._full_at[whose] = max(now, self._full_at.get(whose, now)) + self._interval
