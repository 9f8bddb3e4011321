"""The view as it stands between two keys: what was read of the trail, what a person has chosen, what is to be drawn.

It has no terminal: keys and the time come in, lines and wishes go out.
"""

from __future__ import annotations

import time

from netguard.views import keys
from netguard.views.board import Look, matching
from netguard.views.keys import Keyboard, State, done, press
from netguard.views.live import painted
from netguard.views.pages import screen
from netguard.views.picture import Picture
from netguard.views.rule_for import rule_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netguard.trail.follow import Follow
    from netguard.views.snapshot import Event, Snapshot

#: Seconds that one call reads at most before keys and screen have their turn; that a note stands; that a single ESC may
#: be the beginning of a longer sequence.
SLICE, NOTE, ESCAPE = 0.08, 4.0, 0.05
#: Seconds between two pictures. Drawing takes at most a tenth of the time, however much there is to draw.
EVERY, SHARE = 0.1, 10

#: What a key asked for that is the caller's to do.
Wish = str


class View:
    """One trail being watched."""

    def __init__(self, trail: Follow, *, own: str = "") -> None:
        self.trail = trail
        self.own = own  # of a trail with several runs, the one that is shown
        self.picture = Picture()
        self.keyboard = Keyboard()
        self.state = State()
        self.still: Snapshot | None = None
        self.opened: Event | None = None
        self.rule = ""
        self.note, self.note_until = "", 0.0
        self.escape_at = 0.0
        self.due = 0.0

    def read(self) -> bool:
        """Takes up what is new on the trail, for a slice of time. Returns whether there is more at once."""
        until = time.monotonic() + SLICE
        add, own = self.picture.add, self.own
        while True:
            for record, size in self.trail.more():
                if not own or record.get("run") == own:
                    add(record, size)
            if not self.trail.behind or time.monotonic() > until:
                return self.trail.behind

    # Keys

    def typed(self, data: bytes, now: float, look: Look) -> list[Wish]:
        """What was typed; returns what the caller is to do."""
        found = [wish for key in self.keyboard.feed(data) if (wish := self.key(key, look))]
        self.escape_at = now + ESCAPE if self.keyboard.held else 0.0
        return found

    def key(self, key: str, look: Look) -> Wish:
        """One key."""
        self.due = self.note_until = 0.0
        shown = [event.number for event in matching(self.snapshot(), self.state)]
        before, self.state = self.state, press(self.state, key, shown, max(1, look.height // 2 - 2))
        if self.state.paused != before.paused:
            self.still = self.picture.snapshot(time.time(), self.trail.unreadable) if self.state.paused else None
        if self.state.selected != before.selected or self.opened is None:
            self.opened = self.selected()
        wish, self.state = self.state.wish, done(self.state)
        if wish in (keys.ALLOW, keys.DENY):
            self.rule = rule_for(self.opened.record, wish) if self.opened is not None else ""
            return "copy" if self.rule else ""
        return wish

    def waited(self, now: float, look: Look) -> None:
        """Time has passed: a single ESC is the Escape key by now."""
        if self.escape_at and now >= self.escape_at:
            self.escape_at = 0.0
            for key in self.keyboard.flush():
                self.key(key, look)

    def selected(self) -> Event | None:
        """The event that is selected, if it is still kept."""
        return next((event for event in self.snapshot().events if event.number == self.state.selected), None)

    def tell(self, note: str, now: float) -> None:
        """Our own words in the last line, for a while."""
        self.note, self.note_until, self.due = note, now + NOTE, 0.0

    # Pictures

    def snapshot(self) -> Snapshot:
        """What is shown: the present, or what it was when it was paused."""
        return self.still or self.picture.snapshot(time.time(), self.trail.unreadable)

    def wait(self, now: float) -> float:
        """Seconds until something is due."""
        due = min([self.due, *[self.escape_at] * bool(self.escape_at)])
        return max(0.0, due - now)

    def lines(self, look: Look) -> list[str]:
        """The screen as it is now, painted; the next one is due a while later."""
        began = time.monotonic()
        note = self.note if self.note_until > began else self.standing()
        found = screen(self.snapshot(), self.state, look, event=self.opened, rule=self.rule, note=note)
        shown = painted(found, colour=look.colour)
        now = time.monotonic()
        self.due = now + max(EVERY, SHARE * (now - began))
        return shown

    def standing(self) -> str:
        """What stands in the last line as long as it is so."""
        if self.trail.shrunk:
            return "the trail became shorter: somebody has cut it; netguard verify tells more"
        left = self.trail.left if self.trail.behind else 0
        return f"reading what is there: {left >> 20:,} MB left" if left > 4 << 20 else ""
