"""The facets of a rule, one test each: all that a rule can ask besides kind and destination.

`decide` runs these tests and `explain` words them, so what a person is told is what was decided. A facet that says
nothing of a request's kind does not hold for it.

A test takes (rule, request) and says whether the facet holds; its wording says, in one line, why it does not.
"""

from __future__ import annotations

from .glob import glob

TYPE_CHECKING = False  # what typing exports, without importing typing into the guest
if TYPE_CHECKING:
    from collections.abc import Callable

    from .policy import Rule
    from .request import Request

    Test = Callable[[Rule, Request], bool]
    Wording = Callable[[Rule, Request], str]


def any_glob(patterns: tuple[str, ...], text: str) -> bool:
    """Whether one of the patterns matches the text."""
    return any(glob(pattern, text) for pattern in patterns)


def any_program(patterns: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    """Whether one of the patterns names one of the paths: with a slash the whole path, without one its last part."""
    for pattern in patterns:
        whole = "/" in pattern
        for path in paths:
            if glob(pattern, path if whole else path[path.rfind("/") + 1 :]):
                return True
    return False


def proto(rule: Rule, request: Request) -> bool:
    return request.proto in rule.proto


def direct(rule: Rule, request: Request) -> bool:
    return request.kind == "connect" and not request.host and not request.names


def native(rule: Rule, request: Request) -> bool:
    return request.kind in ("connect", "listen") and request.native == (rule.native == "true")


def library(rule: Rule, request: Request) -> bool:
    return request.native and any_program(rule.library, (request.library,))


def program(rule: Rule, request: Request) -> bool:
    return request.kind == "exec" and any_program(rule.program, (request.program, request.resolved))


def args(rule: Rule, request: Request) -> bool:
    return request.kind == "exec" and any_glob(rule.args, " ".join(request.argv))


def origin_value(facet: str, request: Request) -> str | None:
    """What the guest says of the code that asked, by the policy's word for it; None for a word this version lacks."""
    code = request.code
    if facet == "function":
        return code.func
    return {"package": code.package, "module": code.module, "file": code.file}.get(facet)


def held(value: str | None, pattern: str) -> bool:
    """Whether there is a value and the pattern matches it."""
    return value is not None and glob(pattern, value)


def origin(rule: Rule, request: Request) -> bool:
    return all(held(origin_value(facet, request), pattern) for facet, pattern in rule.origin)


def user(rule: Rule, request: Request) -> bool:
    return any_glob(rule.user, request.user)


def process(rule: Rule, request: Request) -> bool:
    return any_program(rule.process, (request.process,))


def tags(rule: Rule, request: Request) -> bool:
    return all(held(request.tags.get(key), pattern) for key, pattern in rule.tags)


def short(text: str) -> str:
    """Guest text in an explanation: there to be recognised, not to be read whole."""
    return repr(text if len(text) <= 60 else text[:57] + "...") if text else "nothing"


def one_of(patterns: tuple[str, ...]) -> str:
    """The patterns of a facet as a person would list them, the first four of them."""
    shown = " or ".join(patterns[:4])
    return shown if len(patterns) <= 4 else f"{shown} or {len(patterns) - 4} more"


def differs(value: str, patterns: tuple[str, ...]) -> str:
    return f"{short(value)} is not {one_of(patterns)}"


def pairs_differ(pairs: tuple[tuple[str, str], ...], value_of: Callable[[str], str | None]) -> str:
    """The wording of each pair that does not hold."""
    found = [(key, value_of(key), pattern) for key, pattern in pairs]
    return "; ".join(
        [f"{key} {pair_differs(value, pattern)}" for key, value, pattern in found if not held(value, pattern)]
    )


def pair_differs(value: str | None, pattern: str) -> str:
    return "is not set" if value is None else f"{short(value)} is not {pattern}"


def native_differs(rule: Rule, request: Request) -> str:
    if request.kind not in ("connect", "listen"):
        return f"a {request.kind} is neither announced nor native"
    return "no witness announced it" if request.native else "it is not native: a witness announced it"


def program_differs(rule: Rule, request: Request) -> str:
    if request.kind != "exec":
        return f"a {request.kind} starts no program"
    resolved = f" ({short(request.resolved)})" if request.resolved else ""
    return f"{short(request.program)}{resolved} is not {one_of(rule.program)}"


#: Every facet: the rule's attribute, which asks when it is not empty; its test; its wording. Asked in this order.
FACETS: tuple[tuple[str, Test, Wording], ...] = (
    ("proto", proto, lambda rule, request: differs(request.proto, rule.proto)),
    ("direct", direct, lambda rule, request: "this is no connect to an address that was never looked up"),
    ("native", native, native_differs),
    ("library", library, lambda rule, request: f"library {differs(request.library, rule.library)}"),
    ("program", program, program_differs),
    ("args", args, lambda rule, request: differs(" ".join(request.argv), rule.args)),
    ("origin", origin, lambda rule, request: pairs_differ(rule.origin, lambda key: origin_value(key, request))),
    ("user", user, lambda rule, request: differs(request.user, rule.user)),
    ("process", process, lambda rule, request: differs(request.process, rule.process)),
    ("tags", tags, lambda rule, request: pairs_differ(rule.tags, request.tags.get)),
)

#: The policy's word for a facet where it is not the attribute's name.
WORDS = {"origin": "from", "library": "native"}


def tests_of(rule: Rule) -> tuple[Test, ...]:
    """The tests of the facets that this rule has."""
    return tuple([test for name, test, wording in FACETS if getattr(rule, name)])


def signature(rule: Rule) -> tuple[object, ...]:
    """What two rules have in common when their facets always hold for the same requests."""
    return tuple([getattr(rule, name) for name, test, wording in FACETS])


def missed(rule: Rule, request: Request) -> str:
    """The first facet that does not hold and why, or "" when all hold."""
    for name, test, wording in FACETS:
        if getattr(rule, name) and not test(rule, request):
            return f"{WORDS.get(name, name)}: {wording(rule, request)}"
    return ""
