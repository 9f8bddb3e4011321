"""Run a script, module or command under guard; the exit status is the guest's.

  netguard run script.py                    watch it; deny only cloud metadata
  netguard run --rules agent -m pytest -q   hold it to rules: a pack or a file
  netguard run -- make test                 any command, and all that it starts
"""

from __future__ import annotations

import os
import sys

from netguard.errors import NetguardError, StartError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from netguard.core.policy import Policy
    from netguard.supervisor.after import After
    from netguard.supervisor.guest import Change
    from netguard.supervisor.loop import Loop
    from netguard.supervisor.outlet import Outlet
    from netguard.supervisor.start import Start
    from netguard.supervisor.target import Target
    from netguard.trail.writer import Writer
    from netguard.views.screen import Screen

SUMMARY = "run a script, module or command under guard"

#: What is watched when nobody says what is allowed.
DEFAULT_RULES = "audit"

#: Options that take the next word as their value.
VALUED = frozenset(
    "--rules --log --log-fd --max-trail --suggest --default --session --tag --wall --keep-fd --status-fd --run".split()
)

#: From so many lines on the fast encoder is worth the 20 ms of loading it; a short run never does.
MANY_LINES = 64

#: Why each layer that a run could have is not there, for the trail's first line and for the reader.
NO_HTTP = "off: this version does not read requests"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options. Everything from the first word that is not one belongs to the guest."""
    option = parser.add_argument
    option("--rules", action="append", default=[], metavar="FILE|PACK", help="file or pack; may be repeated (audit)")
    option("--log", metavar="PATH|-", help="write the trail here, not in a folder of its own")
    option("--log-fd", type=int, metavar="N", help="write the trail to this open descriptor")
    option("--max-trail", default="1GB", metavar="SIZE", help="how long the trail may grow; then, deny all (1GB)")
    option("--suggest", metavar="FILE", help="write the rules that allow just what the run did")
    option("--default", choices=("allow", "log", "deny"), help="if no rule matches, whatever the files say")
    option("--dry-run", action="store_true", help="decide and record, but deny nothing")
    option("--session", default="", metavar="NAME", help="what the run belongs to, on every line")
    option("--tag", action="append", default=[], metavar="KEY=VALUE", help="a label on every line; may be repeated")
    option("--wall", choices=("auto", "require", "off"), default="auto", help="kernel wall: the best there is; or none")
    option("--keep-fd", action="append", type=int, default=[], metavar="N", help="let the guest have this descriptor")
    option("--keep-stragglers", action="store_true", help="wait for what outlives the program; else, 5 s")
    option("--status-fd", type=int, metavar="N", help="say there whose the exit status is")
    option("--quiet", action="store_true", help="no summary and no lines about denials")
    option("--live", action="store_true", help="show the run below what the program writes")
    option("--run", default="", metavar="NAME", help="the run's name, and of its folder")
    parser.usage = "netguard run [options] script.py|-m MODULE|-c CODE|-- COMMAND ARG…"


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Returns netguard's own words and the guest's, which begin at the first that is no option of ours.

    argparse cannot: it would take the guest's options for ours, or `-m` for one that it does not know.
    """
    at = 0
    while at < len(words):
        word = words[at]
        if word in ("-", "--") or word[:2] in ("-m", "-c") or not word.startswith("-"):
            break
        at += 2 if word in VALUED else 1
    return words[:at], words[at:]


def run(args: Namespace) -> int:
    """Runs the guest; returns what netguard ends with."""
    try:
        if args.live:
            return shown_live(args)  # the run itself says whose its status is
        end, status = guarded(args)
    except NetguardError as error:
        tell_status(args.status_fd, f"netguard {error.slug} {error.exit_code}")
        raise
    except Exception:
        tell_status(args.status_fd, "netguard fault 125")
        raise
    tell_status(args.status_fd, f"guest {end.what} {end.value}")
    return status


def shown_live(args: Namespace) -> int:
    """The run as a child of a process that shows it. Nothing of the view is loaded where no `--live` is."""
    leave_folder()
    from netguard.paths import run_dir
    from netguard.supervisor import target
    from netguard.trail.follow import Follow
    from netguard.trail.name import name_of
    from netguard.viewer import live

    if args.log == "-" or args.log_fd is not None:
        raise UsageError("--live reads the trail while it is written: --log names a file, or leave it out")
    wanted = target.parse(args.guest, os.environ)
    name = name_of(args.run)
    path = args.log or os.path.join(run_dir(name), "trail.jsonl")
    start = os.path.getsize(path) if os.path.isfile(path) else 0  # the lines of other runs
    words = [word for word in args.words if word != "--live"]
    words = words if args.run else [*words, "--run", name]
    return live.run(["run", *words, *args.guest], wanted, Follow(path, start=start), name)


def tell_status(fd: int | None, text: str) -> None:
    """Writes one line to --status-fd: `guest exited 3`, `guest killed 15` or `netguard SLUG 125`."""
    if fd is None:
        return
    try:
        os.write(fd, text.encode() + b"\n")
    except OSError as error:
        raise UsageError(f"--status-fd {fd}: {error.strerror}") from None


def guarded(args: Namespace) -> tuple[Change, int]:
    """The run from options to the end of the guest."""
    from netguard.core.acts import Context
    from netguard.core.session import Session
    from netguard.policy.load import load_policy
    from netguard.record.names import secrets_of
    from netguard.supervisor import guest, signals
    from netguard.supervisor.after import After
    from netguard.supervisor.listener import broker, new_address
    from netguard.supervisor.loop import Loop
    from netguard.supervisor.processes import user_name
    from netguard.supervisor.shield import hide
    from netguard.supervisor.stragglers import earlier
    from netguard.trail.folder import keep_policy, open_log, size_of
    from netguard.trail.name import name_of
    from netguard.trail.redact import Redactor
    from netguard.views.screen import Screen

    take_standard_fds()
    leave_folder()
    mask = signals.hold()  # first of all: what comes while netguard starts is for the guest
    tags = tags_of(args)
    wanted = what_to_run(args)
    policy = load_policy(args.rules or [DEFAULT_RULES], default=args.default)
    run = name_of(args.run)
    redactor = Redactor(secrets_of(os.environ))
    trail, place = open_log(run, args.log, args.log_fd, redactor, size_of(args.max_trail))
    screen = Screen(quiet=args.quiet, dry_run=args.dry_run, audit=not args.rules, trail=place)
    session = Session(policy, Context(user_name(os.getuid()), args.session, tags), dry_run=args.dry_run)
    if place and not args.log:
        keep_policy(policy, run)
    address, outlet = new_address(), outlet_of(trail, screen)
    loop = Loop(session, outlet, address, run, os.environ.get("PATH", os.defpath))
    hide()
    loop.broker = broker(loop.listener, address)
    after = After(earlier(), screen.tell, keep=args.keep_stragglers)
    start = stand(args, wanted, loop, mask)
    try:
        outlet.write({**coverage(args, wanted, policy, tags), **start.said()})
    except BaseException:
        start.give_up()
        raise
    screen.note = note_of(start)
    advise(args, wanted, screen, start)
    end = watched(args, loop, start, after)
    close(trail, screen, session.decisions, end, reported=loop.reported, after=after)
    if args.suggest:
        write_suggestion(screen, args.suggest)
    if wanted.is_python and not loop.reported:
        raise unguarded(end)
    return end, guest.exit_status(end)


def stand(args: Namespace, wanted: Target, loop: Loop, mask: Iterable[int]) -> Start:
    """The guest, ready to run. Raises StartError."""
    from netguard.policy.static import OPEN, static
    from netguard.supervisor.listed import listing
    from netguard.supervisor.start import environment, ready

    environ = environment(loop.address, loop.run, inside=is_nested())
    files = listing(loop.session.policy, wanted, environ, dry_run=args.dry_run)
    start = ready(
        wanted, environ, mask, tuple(args.keep_fd), args.wall, files, inside=loop.broker > 0,
        static=OPEN if args.dry_run else static(loop.session.policy),
    )  # fmt: skip
    loop.world.listed = start.fenced
    return start


def what_to_run(args: Namespace) -> Target:
    """What is to run. Raises UsageError, StartError: of descriptors, and of a blind interpreter."""
    from netguard.supervisor import target

    refuse_fds(args)
    wanted = target.parse(args.guest, os.environ)
    wanted.fds = tuple([fd for fd in wanted.fds if fd not in own_fds(args)])
    refuse_blind(wanted)
    return wanted


def outlet_of(trail: Writer, screen: Screen) -> Outlet:
    """What puts lines on the trail and, once they are there, into the summary."""
    from netguard.supervisor.outlet import Outlet
    from netguard.trail.encoder import warm

    def write(line: dict[str, object]) -> int:
        seq = trail.write(line)
        screen.seen(line, seq)
        if seq == MANY_LINES:
            warm()
        return seq

    def write_all(lines: list[dict[str, object]]) -> None:
        seq = trail.write_all(lines)
        for at, line in enumerate(lines):
            screen.seen(line, seq + at)
        if seq < MANY_LINES <= seq + len(lines):
            warm()

    return Outlet(write, write_all, screen.say, screen.tick, screen.tell)


def advise(args: Namespace, wanted: Target, screen: Screen, start: Start) -> None:
    """Says before the start what a user may not expect of this call."""
    if not wanted.is_python and start.listener is None:
        screen.tell(f"netguard: {wanted.script} is not Python: only the Python that it starts is seen, nothing else")
    if start.launch and wanted.brings_rights():
        screen.tell(f"netguard: {wanted.script}: no program gets rights from its file (setuid) in a run, only yours")
    if not args.rules and "--rules" in args.guest[1:]:
        # A run that its user takes for held, and that nothing holds.
        screen.tell("netguard: no rules: --rules stands behind what is run and was given to that; it belongs before it")


def watched(args: Namespace, loop: Loop, start: Start, after: After) -> Change:
    """The guest's life, from its start to its end. If it can no longer be watched, it is ended."""
    import gc

    from netguard.supervisor import guest, signals, target
    from netguard.supervisor.listener import allow_many_fds

    if is_nested():
        from netguard.supervisor.outer import denial

        loop.world.outer = denial
    second = target.second(start.target, start.environ)  # once it runs, its file may be another
    pid = start.go()
    try:
        if start.listener:
            programs = loop.behind(start.listener, start.environ, hold=start.holds).programs
            programs.begin(pid, second, python=start.target.is_python)
        inbox = signals.Inbox()
        # What the guest holds now is its own: a reader must not wait for our copies of it.
        guest.let_go({0, 1, *start.target.fds, *args.keep_fd}.difference(own_fds(args)))
        allow_many_fds()
        gc.freeze()  # what is loaded by now stays: the collector need not look through it, now or at the end
        # Without any fence what it starts need not stay below us, and is asked for by its witness alone.
        return loop.serve(pid, inbox, must_report=start.target.is_python, after=after if start.launch else None)
    except BaseException:
        guest.send(pid, 9)  # nobody watches it any more
        if start.launch:
            after.end()
        raise


def note_of(start: Start) -> str:
    """What the summary says of a wall that is not whole; nothing of one that is, or that nobody wanted."""
    if start.tier is None or start.tier.letter == "A":
        return ""
    return f"wall: {start.said()['wall']} (netguard doctor says more)"


def leave_folder() -> None:
    """Takes the current folder off the path: what we import from now on must be no file that the guest puts there."""
    here = os.getcwd()
    sys.path[:] = [place for place in sys.path if place and os.path.abspath(place) != here]


def is_nested() -> bool:
    """Whether this run is itself under guard: then the class that `netguard` has for a denial is the guard's own."""
    import netguard
    from netguard.denied import Denied

    return netguard.Denied is not Denied


def own_fds(args: Namespace) -> set[int]:
    """The descriptors that carry our own words."""
    return {fd for fd in (1 if args.log == "-" else None, args.log_fd, args.status_fd) if fd is not None}


def take_standard_fds() -> None:
    """Opens those of the first three descriptors that are closed, so that no file of ours becomes standard error.

    The guest gets them closed, as it would without netguard.
    """
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return


def tags_of(args: Namespace) -> dict[str, str]:
    """The labels of every line, as given; `session` is one of them."""
    tags = {"session": args.session} if args.session else {}
    for text in args.tag:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--tag {text}: a tag is KEY=VALUE")
        tags[key] = value
    return tags


def refuse_fds(args: Namespace) -> None:
    """What carries the trail or the status must be open, and must not be the guest's."""
    shared = own_fds(args).intersection(args.keep_fd)
    if shared:
        raise UsageError(f"--keep-fd {min(shared)}: it carries the trail or the status; the guest could write there")
    for option, fd in (("--log-fd", args.log_fd), ("--status-fd", args.status_fd)):
        try:
            if fd is not None:
                os.fstat(fd)
        except (OSError, OverflowError) as error:
            raise UsageError(f"{option} {fd}: {getattr(error, 'strerror', 'no descriptor')}") from None


def refuse_blind(wanted: Target) -> None:
    """An interpreter that is told to ignore its environment would run unguarded."""
    if wanted.blind:
        raise StartError(
            f"{wanted.script} {wanted.blind}: with {wanted.blind} Python ignores what starts the guard, "
            "so it would run unguarded; leave the option out"
        )


def coverage(args: Namespace, wanted: Target, policy: Policy, tags: dict[str, str]) -> dict[str, object]:
    """The trail's first line: what this run covers, and what not and why."""
    import netguard
    from netguard.core.reach import rests_on_guest

    line: dict[str, object] = {
        "kind": "coverage",
        "event": "run",
        "netguard": netguard.__version__,
        "python": sys.version.split()[0],
        "platform": sys.platform,
        "mode": "dry-run" if args.dry_run else "run",
        "hooks": "asked for" if wanted.is_python else "off: not Python; what it starts is asked for",
        "http_view": NO_HTTP,
        "policy": policy.digest,
        "default": policy.default,
        "command": list(wanted.argv),
        "told": [rule.name for rule in policy.rules if rests_on_guest(rule)],
    }
    if is_nested():
        line["why"] = "inside another run, which hears of every act and may deny it too"
    if tags:
        line["tags"] = tags
    return line


def close(trail: Writer, screen: Screen, decisions: int, end: Change, *, reported: bool, after: After) -> None:
    """Ends the trail and shows the summary."""
    line: dict[str, object] = {"kind": "close", "exit" if end.what == "exited" else "signal": end.value}
    line["decisions"] = decisions
    if not reported:
        line["reason"] = "no guarded Python reported"
    if after.ended:
        line["why"] = after.words()
        screen.tell(f"netguard: {line['why']}{'' if after.keep else ' (--keep-stragglers waits for them)'}")
    trail.close(line)
    screen.summary()


def write_suggestion(screen: Screen, path: str) -> None:
    """Writes --suggest FILE. The guest has ended; what goes wrong is said and changes no status of its."""
    try:
        screen.suggest(path)
    except OSError as error:
        screen.tell(f"netguard: --suggest {path}: {error.strerror}", urgent=True)


def unguarded(end: Change) -> NetguardError:
    """The guest has ended and no shim had reported."""
    from netguard.errors import Unguarded

    if end.what == "exited" and end.value == 125:
        return Unguarded("the guest was stopped by its starter, as said above")
    if end.what == "exited":
        return Unguarded(f"the guest ended with status {end.value} and never reported: what it did was not guarded")
    return Unguarded("the guest never reported, so it ran unguarded; it has been ended")
