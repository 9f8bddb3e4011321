"""Starts the guest behind the best wall that this machine gives, and says which that is.

Found by putting it up: what the kernel refuses is left out, and named. A guest that must have a wall and gets none is
never started.
"""

from __future__ import annotations

import errno
import os

from netguard.errors import StartError
from netguard.seccomp import abi, landlock, tiers
from netguard.seccomp.launch import Launch, Refused
from netguard.supervisor import guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netguard.seccomp.notify import Listener
    from netguard.seccomp.tiers import Tier
    from netguard.supervisor.target import Target


class Start:
    """A guest that is about to run.

    tier: what holds it.  launch: the child that stands ready; None where there is nothing but the witness.
    """

    def __init__(self, target: Target, environ: Mapping[str, str], mask: Iterable[int]) -> None:
        self.target = target
        self.environ = environ
        self.mask = mask
        self.tier: Tier = tiers.OFF
        self.launch: Launch | None = None

    @property
    def listener(self) -> Listener | None:
        """What the guest's calls come out of, None without a wall that decides."""
        return self.launch.listener if self.launch else None

    def stand(self) -> None:
        """Puts up the best wall that is to be had, around a child that runs nothing yet."""
        if not abi.NUMBERS:
            self.tier = tiers.unknown_machine(abi.MACHINE)
            return
        fence = landlock.fence(landlock.abi())
        abi.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: a daemon of the guest's stays our descendant, whom we may look into
        try:
            self.launch = self._launch(fence, notify=True)
            self.tier = tiers.whole(fence)
        except Refused as refused:
            self.tier = tiers.refused(refused.step, refused.errno, fence)
        if self.tier.letter in "BC":
            try:
                self.launch = self._launch(fence, notify=False)
            except Refused as refused:
                self.tier = tiers.refused(refused.step, refused.errno, fence)

    def _launch(self, fence: landlock.Fence | None, *, notify: bool) -> Launch:
        return Launch(guest.programs(self.target), self.environ, self.mask, fence, notify=notify)

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
    target: Target, environ: Mapping[str, str], mask: Iterable[int], keep_fds: tuple[int, ...], wall: str
) -> Start:
    """Returns the guest, ready to run behind the wall that is asked for: "auto", "require" or "off".

    Raises StartError: when a wall is required and this machine gives none, and for a descriptor that is not there.
    """
    guest.shut_inherited(keep_fds, target.fds)
    start = Start(target, environ, mask)
    if wall != "off":
        start.stand()
    if wall == "require" and start.tier.letter != "A":
        start.give_up()
        raise StartError(f"--wall require: {start.tier.why}; {start.tier.remedy}")
    return start
