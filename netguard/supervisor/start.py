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
    from netguard.supervisor.listed import Listed
    from netguard.supervisor.target import Target


#: Why there is no more than tier C inside another run, and what would help.
INSIDE = "inside another run, whose wall alone decides on native code and other programs"
OUTSIDE = "run netguard outside of it"

#: Why a list of programs is not held.
NO_LANDLOCK = "Landlock, which would hold the list, is not there"


#: Python takes modules and bytecode from there before a guard can stand.
MOVED = ("PYTHONPATH", "PYTHONPYCACHEPREFIX")


class Start:
    """A guest that is about to run.

    static: what of the rules can be held without asking, for where nobody is asked.
    tier:   what this machine gives, None where no wall was wanted.
    launch: the child that stands ready; None where there is nothing but the witness.
    listed: the only files that may start, or why there is no such list.
    """

    def __init__(
        self,
        target: Target,
        environ: Mapping[str, str],
        mask: Iterable[int],
        listed: Listed | str = "",
        static: Static = OPEN,
    ) -> None:
        self.target = target
        self.static = static
        self.environ = environ
        self.mask = mask
        self.listed = listed
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
        programs, files = guest.programs(self.target), None if isinstance(self.listed, str) else self.listed.found
        if tier.decides:
            return Launch(programs, self.environ, self.mask, tier.fence, hold=self.holds, files=files)
        limited = self.holds_ports and self.static.tcp
        closed = (*self.static.closed(), *(("fast open",) if limited and self.static.connect is not None else ()))
        ports = landlock.Ports(self.static.connect, self.static.listen) if limited else landlock.Ports()
        return Launch(
            programs, self.environ, self.mask, tier.fence, notify=False, ports=ports, closed=closed, files=files
        )  # fmt: skip

    @property
    def fenced(self) -> Listed | None:
        """The list of files that the kernel is held to, None without one."""
        stands = self.launch and self.tier and self.tier.fence and self.tier.fence.ptrace
        return self.listed if stands and not isinstance(self.listed, str) else None

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
        if self.fenced:
            found["execute"] = f"on: only {len(self.fenced.found)} files start"
        else:
            found["execute"] = f"off: {self.listed if isinstance(self.listed, str) else NO_LANDLOCK}"
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
    listed: Listed | str = "",
    *,
    inside: bool = False,
    static: Static = OPEN,
) -> Start:
    """Returns the guest, ready to run behind the wall that is asked for: "auto", "require" or "off".

    listed: the only files that may start, or why there is no such list.
    static: what of the rules can be held where nobody is asked (tier C).
    inside: whether there is a run with a wall around this one, so that what is missing here is missing for that.
    Raises StartError: when a wall is required and this machine gives none, and for a descriptor that is not there.
    """
    guest.shut_inherited(keep_fds, target.fds)
    # Inside, the wall around it decides on native code, and knows nothing of these rules.
    start = Start(target, environ, mask, listed, OPEN if inside else static)
    if wall != "off":
        start.stand()
    if inside and start.tier and start.tier.letter != "A":
        start.tier = Tier(start.tier.letter, start.tier.fence, INSIDE, OUTSIDE)
    refusal = start.tier.refusal() if start.tier and wall == "require" else ""
    if refusal:
        start.give_up()
        raise StartError(f"--wall require: {refusal}")
    return start


def environment(address: str, run: str, *, inside: bool) -> dict[str, str]:
    """The guest's environment: its own, and what asks for the guard in every Python that inherits it.

    What would run code of the guest's before the guard travels under another name; the shim puts it back.

    inside: whether this process is itself under guard.
    """
    from netguard.paths import starter_dir

    found = {name: value for name, value in os.environ.items() if name not in MOVED}
    found.update({f"NETGUARD_{name}": os.environ[name] for name in MOVED if name in os.environ})
    if inside:
        found["NETGUARD_INSIDE"] = "1"  # or the guard around us would have its own supervisor asked
    return {**found, "PYTHONPATH": starter_dir(), "NETGUARD_CHANNEL": address, "NETGUARD_RUN": run}
