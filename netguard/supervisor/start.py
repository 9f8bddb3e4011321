"""Starts the guest behind the best wall that this machine gives, and says which that is.

Found by putting it up: what the kernel refuses is left out, and named. A guest that must have a wall and gets none is
never started.
"""

from __future__ import annotations

import errno
import os

from netguard.errors import StartError
from netguard.policy.static import OPEN
from netguard.seccomp import abi, landlock, tiers
from netguard.seccomp.launch import SET_CHILD_SUBREAPER, Launch, Refused
from netguard.seccomp.tiers import Tier
from netguard.supervisor import guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netguard.policy.static import Static
    from netguard.seccomp.notify import Listener
    from netguard.supervisor.target import Target


#: Why there is no more than tier C inside another run, and what would help.
INSIDE = "inside another run, whose wall alone decides on native code and other programs"
OUTSIDE = "run netguard outside of it"


class Start:
    """A guest that is about to run.

    static: what of the rules can be held without asking, for where nobody is asked.
    tier:   what this machine gives, None where no wall was wanted.
    launch: the child that stands ready; None where there is nothing but the witness.
    """

    def __init__(self, target: Target, environ: Mapping[str, str], mask: Iterable[int], static: Static = OPEN) -> None:
        self.target = target
        self.static = static
        self.environ = environ
        self.mask = mask
        self.tier: Tier | None = None
        self.launch: Launch | None = None

    @property
    def listener(self) -> Listener | None:
        """What the guest's calls come out of, None without a wall that decides."""
        return self.launch.listener if self.launch else None

    @property
    def holds_ports(self) -> bool:
        """Whether the kernel can refuse TCP ports."""
        return bool(self.tier and self.tier.fence and self.tier.fence.tcp and self.tier.fence.ptrace)

    @property
    def holds(self) -> bool:
        """Whether the guest's sockets have to be made for it."""
        return self.tier is not None and self.tier.letter == "B"

    def stand(self) -> None:
        """Puts up the best wall that is to be had, around a child that runs nothing yet.

        Each step that fails is left out of the next try, so that there is an end, and a tier that is up.
        """
        failed: dict[str, int] = {} if abi.NUMBERS else {"machine": errno.ENOSYS}
        if not failed:
            abi.prctl(SET_CHILD_SUBREAPER, 1)  # a daemon of the guest's stays our descendant, whom we may look into
        self.tier = tiers.after(failed) if failed else Tier("A", landlock.fence(landlock.abi()))
        while self.launch is None and self.tier.letter != "D":
            try:
                self.launch = self._launch(self.tier)
            except Refused as refused:
                # What fails though it was left out is of no ability: then there is no wall to be had.
                step = refused.step if refused.step not in failed else f"{refused.step} again"
                failed[step] = refused.errno
                self.tier = tiers.after(failed)

    def _launch(self, tier: Tier) -> Launch:
        programs = guest.programs(self.target)
        if tier.decides:
            return Launch(programs, self.environ, self.mask, tier.fence, hold=self.holds)
        limited = self.holds_ports and self.static.tcp
        closed = (*self.static.closed(), *(("fast open",) if limited and self.static.connect is not None else ()))
        ports = landlock.Ports(self.static.connect, self.static.listen) if limited else landlock.Ports()
        return Launch(programs, self.environ, self.mask, tier.fence, notify=False, ports=ports, closed=closed)

    def said(self) -> dict[str, str]:
        """What the trail's first line says of the wall."""
        tier = self.tier
        if tier is None:
            return {"wall": "off: --wall off", "tier": "D"}
        words = {"A": "on", "B": f"on, in tier B: {tier.why}", "C": f"partly: {tier.why}", "D": f"off: {tier.why}"}
        held, lost = tiers.MEANING[tier.letter]
        found = {"wall": words[tier.letter], "tier": tier.letter, "held": held}
        if lost:
            found["not_held"] = lost
        if tier.letter == "C":
            found["static"] = self.static.words(ports=self.holds_ports)
        if tier.fence:
            found["landlock"] = f"ABI {tier.fence.abi}" + (f": {tier.fence.note}" if tier.fence.note else "")
        return found

    def go(self) -> int:
        """Lets the guest run; returns its pid. Raises NotFound, NotExecutable, StartError."""
        if self.launch is None:
            return guest.start(self.target, self.environ, self.mask)
        failed = self.launch.go()
        if failed:
            raise guest.refusal(self.target.program, OSError(failed, os.strerror(failed)))
        return self.launch.pid

    def give_up(self) -> None:
        """The guest is not to run after all."""
        if self.launch:
            self.launch.give_up()
            self.launch = None


def ready(
    target: Target,
    environ: Mapping[str, str],
    mask: Iterable[int],
    keep_fds: tuple[int, ...],
    wall: str,
    *,
    inside: bool = False,
    static: Static = OPEN,
) -> Start:
    """Returns the guest, ready to run behind the wall that is asked for: "auto", "require" or "off".

    static: what of the rules can be held where nobody is asked (tier C).
    inside: whether there is a run with a wall around this one, so that what is missing here is missing for that.
    Raises StartError: when a wall is required and this machine gives none, and for a descriptor that is not there.
    """
    guest.shut_inherited(keep_fds, target.fds)
    # Inside, the wall around it decides on native code, and knows nothing of these rules.
    start = Start(target, environ, mask, OPEN if inside else static)
    if wall != "off":
        start.stand()
    if inside and start.tier and start.tier.letter != "A":
        start.tier = Tier(start.tier.letter, start.tier.fence, INSIDE, OUTSIDE)
    refusal = start.tier.refusal() if start.tier and wall == "require" else ""
    if refusal:
        start.give_up()
        raise StartError(f"--wall require: {refusal}")
    return start
