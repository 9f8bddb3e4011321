"""Rule files put together: includes before a file's own rules, sources in order, then one policy, tested.

A file that is reached twice is taken once, where it was reached first: rules that stand again further down could
never match. A file's tests are about that file with its includes and its own default, so they hold on every command
line; what the other sources change is for `check` to say.
"""

from __future__ import annotations

import gc
import os

from netguard.core.compiled import dump
from netguard.core.decide import decide
from netguard.core.policy import DENY, Policy, Rule
from netguard.core.request import Request
from netguard.errors import PolicyError
from netguard.policy.compile import build_rules
from netguard.policy.grammar import read_request
from netguard.policy.load import find, read_file
from netguard.policy.node import LIST, Node, complaint, printable, wrong
from netguard.policy.schema import (
    FILE_KEYS,
    MAX_FILES,
    MAX_RULES,
    MAX_TESTS,
    MAX_WITHOUT_TO,
    TEST_KEYS,
    VERDICTS,
    VERSION,
)
from netguard.policy.scope import Scope, scope_of
from netguard.policy.shadow import CERTAIN, shadowed
from netguard.policy.shape import choice, items, known, number, text
from netguard.policy.target import BadTarget

SHOWN_FAILURES = 10


class Test:
    """One line of a file's `tests`."""

    __slots__ = ("expect", "node", "request")

    def __init__(self, expect: str, request: Request, node: Node) -> None:
        self.expect = expect
        self.request = request
        self.node = node


class Document:
    """One rule file, read and compiled, with the files that it includes."""

    __slots__ = ("default", "includes", "node", "rules", "scope", "shown", "tests")

    def __init__(
        self, node: Node, includes: list[Document], scope: Scope, rules: list[tuple[Rule, Node]], default: str | None
    ) -> None:
        self.shown = node.source.shown
        self.node = node
        self.includes = includes
        self.scope = scope
        self.rules = rules
        self.default = default
        self.tests: list[Test] = []


class Composition:
    """What the sources came to. `documents` are in the order of their rules, `roots` are the sources themselves."""

    __slots__ = ("default", "documents", "policy", "roots", "shadows")

    def __init__(self, roots: list[Document], default: str | None) -> None:
        self.roots = roots
        self.default = default
        self.documents = in_order(roots)
        self.policy = policy_of(self.documents, effective(roots, default))
        self.shadows = shadowed(self.policy.rules)

    def nodes(self) -> list[tuple[Document, Node]]:
        """The document and node of each rule, by its index."""
        return [(document, node) for document in self.documents for _, node in document.rules]


# Reading the files.


class Files:
    """The files that were read so far, by where they really are."""

    def __init__(self) -> None:
        self.done: dict[str, Document] = {}
        self.open: list[tuple[str, str]] = []

    def document(self, named: str, folder: str = "", by: Node | None = None) -> Document:
        """The file or pack of this name, read once.

        folder: what a relative path is relative to.  by: the `include` that names it.
        """
        try:
            shown, path = find(named, folder)
            real = os.path.realpath(path)
            self.refuse_cycle(real, shown)
            if real not in self.done:
                if len(self.done) + len(self.open) >= MAX_FILES:
                    raise PolicyError(f"more than {MAX_FILES} rule files")
                self.open.append((real, shown))
                self.done[real] = self.build(read_file(shown, path))
                self.open.pop()
            return self.done[real]
        except PolicyError as error:
            if by is None or (self.open and "\n  included " in str(error)):
                raise
            raise PolicyError(f"{error}\n  included at {by.place()}") from None

    def refuse_cycle(self, real: str, shown: str) -> None:
        names = [each for each, _ in self.open]
        if real in names:
            way = [*[name for _, name in self.open[names.index(real) :]], shown]
            raise PolicyError(f"rule files include each other in a circle: {' > '.join(way)}")

    def build(self, node: Node) -> Document:
        """The document of a file's tree."""
        keys = known(node, FILE_KEYS, "a rule file")
        check_version(node, keys)
        folder = os.path.dirname(node.source.path) or "."
        listed = items(keys["include"][1], "'include'") if "include" in keys else []
        includes = [self.document(text(item, "an include"), folder, item) for item in listed]
        scope = scope_of(keys["lists"][1] if "lists" in keys else None, tuple([each.scope for each in includes]))
        rules = build_rules(keys["rules"][1], scope) if "rules" in keys else []
        default = choice(keys["default"][1], "'default'", VERDICTS) if "default" in keys else None
        document = Document(node, includes, scope, rules, default)
        document.tests = read_tests(keys["tests"][1]) if "tests" in keys else []
        return document


def check_version(node: Node, keys: dict[str, tuple[Node, Node]]) -> None:
    """Refuse a file of a later language: it may say what this version would silently not do.

    `$schema` speaks to editors of the same. Nothing is read from where it leads.
    """
    if "$schema" in keys:
        text(keys["$schema"][1], "'$schema'")
    if "version" not in keys:
        raise wrong(node, f"a rule file begins with 'version: {VERSION}'", length=1)
    value = keys["version"][1]
    found = number(value, "'version'", 1, 10**9)
    if found > VERSION:
        raise wrong(value, f"this netguard reads version {VERSION}; a newer one is needed for version {found}")


def read_tests(node: Node) -> list[Test]:
    """The tests of a file."""
    if node.kind != LIST:
        raise wrong(node, f"'tests' must be a list of tests, not {node.kind}")
    if len(node.items) > MAX_TESTS:
        raise wrong(node.items[MAX_TESTS], f"more than {MAX_TESTS:,} tests")
    return [read_test(item) for item in node.items]


def read_test(node: Node) -> Test:
    keys = known(node, TEST_KEYS, "a test")
    for name in TEST_KEYS:
        if name not in keys:
            raise wrong(node, f"a test needs '{name}'")
    asked = keys["request"][1]
    try:
        request = read_request(text(asked, "a request"))
    except BadTarget as error:
        raise wrong(asked, str(error)) from None
    return Test(choice(keys["expect"][1], "'expect'", VERDICTS), request, asked)


# Putting them together.


def in_order(roots: list[Document]) -> list[Document]:
    """The documents in the order of their rules: includes first, each once."""
    found: dict[int, Document] = {}

    def add(document: Document) -> None:
        if id(document) in found:
            return  # and so are its includes; walking them again would double the work with each level
        for include in document.includes:
            add(include)
        found[id(document)] = document

    for root in roots:
        add(root)
    return list(found.values())


def effective(roots: list[Document], default: str | None) -> str:
    """What happens when no rule matches: as ordered, else as the last source that says it, else deny."""
    said = [root.default for root in roots if root.default is not None]
    return default or (said[-1] if said else DENY)


def policy_of(documents: list[Document], default: str) -> Policy:
    """One policy of these documents' rules, each rule numbered. Raises PolicyError if there are too many."""
    rules: list[Rule] = []
    without_to = 0
    for document in documents:
        for rule, node in document.rules:
            without_to += rule.to is None
            if without_to > MAX_WITHOUT_TO:
                raise wrong(node, f"more than {MAX_WITHOUT_TO} rules without `to`, which are tried one by one")
            if len(rules) >= MAX_RULES:
                raise wrong(node, f"more than {MAX_RULES:,} rules")
            rules.append(numbered(rule, len(rules)))
    return Policy(tuple(rules), default)


def numbered(rule: Rule, index: int) -> Rule:
    """A copy of the rule with its place: one file's rules stand in several policies, of which each is tested."""
    copy = object.__new__(Rule)
    for name in Rule.__slots__:
        setattr(copy, name, getattr(rule, name))
    copy.index = index
    return copy


def digest(policy: Policy) -> str:
    """SHA-256 of the policy's compiled form, in hex."""
    import hashlib

    return hashlib.sha256(dump(policy).encode("ascii")).hexdigest()


# What must hold of the whole.


def refuse_unreachable(composition: Composition) -> None:
    """Raise on a rule that an earlier one of the same file takes everything from.

    Between files it is a warning of `check`: whoever includes a pack does not write its rules.
    """
    nodes = composition.nodes() if composition.shadows else []
    for rule, earlier, how in composition.shadows:
        document, node = nodes[rule.index]
        if how == CERTAIN and document is nodes[earlier.index][0]:
            raise wrong(
                node,
                f"this rule can never match: '{earlier.name}' at {earlier.where} comes first and takes all of it; "
                "move it up or remove it",
                length=1,
            )


def failures(document: Document, policy: Policy) -> list[str]:
    """What each test that does not hold of this policy says."""
    found = []
    for test in document.tests:
        decision = decide(policy, test.request)
        # A URL without an address: what no rule grants by its name is not granted, whatever its look-up may bring.
        verdict = DENY if decision.open and decision.index < 0 else decision.verdict
        if verdict != test.expect:
            came = told(policy, decision.index, verdict)
            found.append(complaint(test.node, f"expected {test.expect}, but {came}"))
    return found


def told(policy: Policy, index: int, verdict: str) -> str:
    """`'name' at file:line says deny`, or that no rule matched."""
    if index < 0:
        return f"no rule matches, and the default is {verdict}"
    rule = policy.rules[index]
    place = f" at {printable(rule.where)}" if not rule.where.endswith(rule.name) else ""
    return f"the rule '{rule.name}'{place} says {verdict}"


def refuse_failures(composition: Composition) -> None:
    """Run the tests of every file against what that file alone says. Raises PolicyError with those that fail."""
    for document in composition.documents:
        alone = in_order([document])
        default = effective([document], None)
        whole = alone == composition.documents and default == composition.policy.default
        found = failures(document, composition.policy if whole else policy_of(alone, default)) if document.tests else []
        if found:
            more = f"\n… and {len(found) - SHOWN_FAILURES} more" if len(found) > SHOWN_FAILURES else ""
            count = f"{len(found)} of {len(document.tests)} tests of {document.shown} fail"
            raise PolicyError("\n".join([count + ":", *found[:SHOWN_FAILURES]]) + more)


def compose(sources: list[str], *, default: str | None = None, run_tests: bool = True) -> Composition:
    """The policy of these sources and what it was made of. Raises PolicyError as `load_policy` says."""
    if not sources:
        raise PolicyError("no rule file is named")
    if default is not None and default not in VERDICTS:
        raise PolicyError(f"the default cannot be '{default}'; it can be {', '.join(VERDICTS)}")
    collecting = gc.isenabled()
    gc.disable()  # nothing made here is garbage yet, and looking for some takes a quarter of a long policy's time
    try:
        files = Files()
        composition = Composition([files.document(source) for source in sources], default)
        refuse_unreachable(composition)
        if run_tests:
            refuse_failures(composition)
        composition.policy.digest = digest(composition.policy)
    finally:
        if collecting:
            gc.enable()
    return composition
