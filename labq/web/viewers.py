"""Who was found behind a token a moment ago, so that requests that come one after the other ask once.

Nothing is kept while this process cannot hear that rights changed (`labq.web.epochs`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from labq.domain.deadline import monotonic
from labq.services.credentials import digest
from labq.services.tokens import Holder
from labq.services.visibility import Viewer
from labq.web.cache import Epoch

LIFE_SECONDS = 5.0
MOST = 1_000


@dataclass(frozen=True, slots=True)
class _Known:
    holder: Holder
    looked_at: float
    epoch: int


class Viewers:
    """The holders of tokens by the digest of the secret; old ones go first. Any thread may ask.

    `rights` rises whenever a token, a user or a membership was changed, by whomever.
    """

    def __init__(self, rights: Epoch, clock: Callable[[], float] = monotonic) -> None:
        self._rights = rights
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def find(self, secret: str, now: datetime, look_up: Callable[[], Holder]) -> Viewer:
        """Return whose token it is; raises what `look_up` raises, which is asked when nobody knows."""
        key = digest(secret)
        known = self._known.get(key)
        if known is not None and self._is_good(known) and known.holder.is_valid(now):
            return known.holder.viewer
        # Read before the look: what changes during it makes what was found old at once.
        epoch, began = self._rights.number, self._clock()
        holder = look_up()
        with self._lock:
            self._known[key] = _Known(holder, began, epoch)
            self._known.move_to_end(key)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return holder.viewer

    def _is_good(self, known: _Known) -> bool:
        is_newest = self._rights.is_live and known.epoch == self._rights.number
        return is_newest and self._clock() - known.looked_at <= LIFE_SECONDS
