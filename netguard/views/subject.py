"""What a record is about (a destination, a program, a path) and which line of code asked, as raw values.

Raw: everything here is the guest's word for word, so it goes through `text.plain` before it is printed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    #: A trail line as JSON gave it. Readers of a file may meet a forged one, so nothing about it is certain.
    Record = Mapping[str, Any]

#: The trail's own kinds that a person must not miss.
ALARMS = ("tamper", "alert")

#: Arguments of a command that a line shows, its own name counted.
ARGUMENTS = 9

#: Kinds whose object is a network destination.
NETWORK = ("connect", "http", "listen")

#: What stands for an act whose argument could not be read without trusting the guest: its line has nothing of it, or
#: the sign that the supervisor puts there.
UNREADABLE = "(unreadable)"
UNREAD = ("", "?")


def network_subject(record: Record) -> tuple[object, ...]:
    """(name or "", address if there is no name, port, protocol): a name with many addresses is one destination."""
    dst = record.get("dst") or {}
    host = dst.get("host")
    proto = dst.get("proto")
    if proto == "unix":
        return "", dst.get("path") or host or dst.get("asked") or "", None, proto
    if not dst:
        http = record.get("http") or {}
        return http.get("host") or "", "", {"http": 80, "https": 443}.get(str(http.get("scheme"))), "tcp"
    return host or "", "" if host else dst.get("ip") or dst.get("asked"), dst.get("port"), proto


def dns_subject(record: Record) -> tuple[object, ...]:
    """(name,)"""
    dns = record.get("dns") or record.get("dst") or {}
    return (dns.get("name") or dns.get("host") or dns.get("asked"),)


def exec_subject(record: Record) -> tuple[object, ...]:
    """(program, first argument): `git clone` and `git push` are two things, a thousand `git clone …` are one."""
    child = record.get("exec") or {}
    argv = child.get("argv")
    return child.get("program"), argv[1] if argv and len(argv) > 1 else ""


def file_subject(record: Record) -> tuple[object, ...]:
    """(path,) of a credential file."""
    return ((record.get("file") or {}).get("path"),)


def native_subject(record: Record) -> tuple[object, ...]:
    """(path or module, symbol) of native code; the event's name where neither is known."""
    native = record.get("native") or record.get("file") or {}
    path, symbol = native.get("path"), native.get("symbol")
    return path or ("" if symbol else record.get("event")), symbol or ""


def event_subject(record: Record) -> tuple[object, ...]:
    """(event,)"""
    return (record.get("event"),)


#: How to read what a record of each kind is about. A kind that is not here is the trail's own and no decision.
SUBJECTS: dict[object, Callable[[Record], tuple[object, ...]]] = {
    "dns": dns_subject,
    "connect": network_subject,
    "listen": network_subject,
    "http": network_subject,
    "exec": exec_subject,
    "native": native_subject,
    "file": file_subject,
    "audit": event_subject,
}


def subject_text(kind: str, subject: tuple[object, ...]) -> str:
    """What a record is about, as one raw text: not yet safe to print."""
    if kind not in NETWORK:
        text = " ".join(str(part) for part in subject if part not in (None, ""))
        return UNREADABLE if text in UNREAD else text
    host, address, port, proto = subject
    if proto == "unix":
        return f"unix:{address or '(unnamed)'}"
    name = str(host or address or "")
    if name in UNREAD:
        # A family of sockets that has no addresses of ours is known by its number: `family-17` is AF_PACKET.
        return str(proto).replace("-", " ", 1) if proto not in (None, "", "tcp", "udp") else UNREADABLE
    if not host and ":" in name and port is not None:
        name = f"[{name}]"
    text = name if port is None else f"{name}:{port}"
    return text if proto in (None, "", "tcp") else f"{text}/{proto}"


def full_text(record: Record) -> str:
    """What one record is about, raw, a command with more of its arguments. Total on any record."""
    kind = record.get("kind")
    try:
        subject = SUBJECTS[kind](record)
        if kind == "exec" and subject[0] not in (None, *UNREAD):
            return f"{subject[0]} {arguments_text(record)}".rstrip(" ")
        return subject_text(str(kind), subject)
    except (KeyError, TypeError, AttributeError, ValueError):
        return UNREADABLE


def alarm_text(record: Record) -> str:
    """`TAMPER: why` or `ALERT: why`, raw: what the trail's own alarms say."""
    findings = record.get("findings")
    finding = findings[0] if isinstance(findings, list) and findings else None
    finding = finding if isinstance(finding, dict) else {}
    why = record.get("why") or finding.get("why") or finding.get("id") or record.get("event") or "see the trail"
    return f"{str(record.get('kind')).upper()}: {why}"


def found_text(record: Record) -> str:
    """`native (medium)`: the first of what was found in an act that a person must not miss, raw; "" if there is none.

    What is found with severity `info` is for whoever reads that line: a program that is no Python has it on each.
    """
    findings = record.get("findings")
    for each in findings if isinstance(findings, list) else [findings] if findings else []:
        finding = each if isinstance(each, dict) else {}
        severity = finding.get("severity")
        if severity != "info":
            return f"{finding.get('id') or 'something'}" + (f" ({severity})" if severity else "")
    return ""


def arguments_text(record: Record) -> str:
    """The first arguments of a command, raw, without the program's own name."""
    child = record.get("exec")
    argv = child.get("argv") if isinstance(child, dict) else None
    return " ".join(str(part) for part in argv[1:ARGUMENTS]) if isinstance(argv, (list, tuple)) else ""


def code_text(record: Record) -> str:
    """Where in the guest's code it came from, `script.py:12 upload`, or which library and program it was that announced
    nothing, `libcurl.so.4 in curl`; raw, "" if nobody said."""
    found = " ".join(part for part in code_parts(record) if part)
    library = library_of(record) if found == unannounced(record) else ""
    return f"{library} in {found}" if library and found else found


def code_parts(record: Record) -> tuple[str, str]:
    """`script.py:12` and the function, raw; "" for what nobody said, and for a function that is the whole script. Of a
    call that only the kernel saw, the program's name."""
    code = record.get("code")
    if not isinstance(code, dict) or not code.get("file"):
        return unannounced(record), ""
    file = str(code["file"])
    # The last part of a path, on any system's spelling of it.
    name = file.replace("\\", "/").rpartition("/")[2] or file
    line, func = code.get("line"), code.get("func")
    return f"{name}:{line}" if line else name, str(func) if func and func != "<module>" else ""


def library_of(record: Record) -> str:
    """The name of the library that made a call, raw, without its version; "" where nobody said, or the program did."""
    code, proc = record.get("code"), record.get("proc")
    library = str(code.get("library") or "") if isinstance(code, dict) else ""
    own = isinstance(proc, dict) and proc.get("exe") == library
    return "" if own else library.rpartition("/")[2].partition(".so")[0]


def unannounced(record: Record) -> str:
    """The name of the program whose call the kernel saw and nobody announced, raw; "" for any other record."""
    proc = record.get("proc")
    if record.get("layers") not in (["kernel"], ("kernel",)) or not isinstance(proc, dict):
        return ""
    return str(proc.get("exe") or "").rpartition("/")[2]
