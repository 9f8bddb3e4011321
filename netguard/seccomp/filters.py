"""The filter as the kernel runs it: the rows of `table.py`, laid out so that a call is found in a few steps."""

from __future__ import annotations

import errno

from netguard.seccomp.bpf import ARCH, AT_LEAST, EQUAL, NUMBER, Code, Instruction, low
from netguard.seccomp.constants import VALUES
from netguard.seccomp.numbers import MACHINES, NEWEST, numbers
from netguard.seccomp.table import (
    ALLOW,
    ARGUMENTS,
    CLOSED_ROWS,
    HOLD_ROWS,
    KILL,
    LIST_ROWS,
    NOTIFY,
    ROWS,
    SIGNAL_ROWS,
    SUCCEED,
    Row,
    by_call,
)

#: A decision -> what a filter returns for it (<linux/seccomp.h>). Not carried out and yet a success is errno 0.
ANSWERS = {
    KILL: 0x80000000,
    NOTIFY: 0x7FC00000,
    ALLOW: 0x7FFF0000,
    SUCCEED: 0x00050000,
    "EPERM": 0x00050000 | errno.EPERM,
    "ENOSYS": 0x00050000 | errno.ENOSYS,
    "EACCES": 0x00050000 | errno.EACCES,
    "EAFNOSUPPORT": 0x00050000 | errno.EAFNOSUPPORT,
    "EOPNOTSUPP": 0x00050000 | errno.EOPNOTSUPP,
    "EPROTONOSUPPORT": 0x00050000 | errno.EPROTONOSUPPORT,
    "ESOCKTNOSUPPORT": 0x00050000 | errno.ESOCKTNOSUPPORT,
}

#: Arguments of which only some bits are the value. The others of a socket's type are SOCK_NONBLOCK and SOCK_CLOEXEC.
MASKS = {"type": 0xF}


def value(name: str) -> int:
    """What a condition's word stands for: a number, or a constant of the kernel's."""
    return int(name) if name.isdigit() else VALUES[name]


def _put_term(code: Code, call: str, term: str, yes: int, no: int) -> int:
    argument, equals, names = term.partition("=")
    if not equals:
        argument, _, names = term.partition("&")
    index = ARGUMENTS[call][argument]
    if names == "NULL":
        return code.is_null(index, yes, no)
    values = [value(name) for name in names.split("|")]
    if equals:
        return code.equals(low(index), values, yes, no, MASKS.get(argument, 0))
    return code.has_bits(low(index), sum(values), yes, no)


def _put_rows(code: Code, call: str, rows: list[Row], ends: dict[str, int]) -> int:
    """The way of one call: the place where its first row is tried."""
    otherwise = ends[ALLOW]
    for _, condition, decision, _ in reversed(rows):
        place = ends[decision]
        for term in reversed(condition.split()):
            place = _put_term(code, call, term, place, otherwise)
        otherwise = place
    return otherwise


def program(
    machine: str, *, notify: bool = True, signals: bool = False, hold: bool = False, closed: tuple[str, ...] = (),
    listed: bool = False,
) -> list[Instruction]:
    """The filter for a machine of `numbers.MACHINES`. Raises KeyError for another.

    notify: False allows what would be handed to the supervisor, for a guest that no supervisor listens to.
    signals: whether what sends signals is handed over or refused too, because Landlock keeps none of them in.
    hold: whether what makes a socket is handed over too, because no descriptor of the guest's can be copied.
    closed: of CLOSED_ROWS, what no rule grants, for a guest that no supervisor listens to.
    listed: whether Landlock lets only some files start, so that there may be none that it does not ask about.
    """
    known = numbers(machine)
    code = Code()
    ends = {decision: code.give(answer) for decision, answer in ANSWERS.items()}
    if not notify:
        ends[NOTIFY] = ends[ALLOW]
    more = [row for name in closed for row in CLOSED_ROWS[name]]
    before = (*(SIGNAL_ROWS if signals else ()), *(HOLD_ROWS if hold else ()), *(LIST_ROWS if listed else ()))
    rows = by_call((*before, *more, *ROWS))
    ways = [(known[call], _put_rows(code, call, its, ends)) for call, its in rows.items() if call in known]
    start = code.choose(sorted(ways), ends[ALLOW])
    code.test(AT_LEAST, NEWEST + 1, ends["ENOSYS"], start)
    start = code.load(NUMBER)
    code.test(EQUAL, MACHINES[machine][1], start, ends[KILL])
    code.load(ARCH)
    return code.program()
