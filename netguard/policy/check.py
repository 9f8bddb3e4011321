"""What a policy's author should know beyond errors: grants that rest on the guest's word, rules that do nothing.

A finding never changes a decision. With `strict`, a grant that rests on the guest's word is an error.
"""

from __future__ import annotations

from netguard.core.facets import FACETS
from netguard.core.policy import ALLOW, DENY, NET, PUBLIC, Rule
from netguard.policy.compose import Composition, Document, compose, failures
from netguard.policy.node import Node, complaint
from netguard.policy.shadow import CERTAIN

ERROR, WARNING = "error", "warning"

#: Facets of which only the witness in the guest knows (RULES, "How a request is decided"), and how each is written.
WITNESSED = {"origin": "from", "program": "program", "args": "args"}


class Finding:
    """One thing to know.

    severity: ERROR or WARNING.
    slug:     its name, for those who search for it.
    text:     what a person reads: place, message, line, marker.
    """

    __slots__ = ("severity", "slug", "text")

    def __init__(self, severity: str, slug: str, text: str) -> None:
        self.severity = severity
        self.slug = slug
        self.text = text


def value_of(node: Node, name: str) -> Node:
    """The key of this name in a rule's or file's node, or the node itself: where a finding points."""
    return next((key for key, _ in node.pairs if key.text == name), node)


# One question a function: (rule, its node) -> findings.


def witness_grant(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A grant that asks what only the guest can tell."""
    return [
        Finding(
            ERROR if strict else WARNING,
            "witness-grant",
            complaint(
                value_of(node, word),
                f"the grant '{rule.name}' rests on the witness: '{word}' is what the guest says of itself, "
                "and code that evades Python's hooks can say anything",
            ),
        )
        for facet, word in WITNESSED.items()
        if getattr(rule, facet) and rule.verdict != DENY
    ]


def native_grant(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A grant that asks whether it was announced: the guest chooses."""
    if not rule.native or rule.verdict == DENY:
        return []
    told = "any code can announce what it does" if rule.native == "false" else "no code has to announce what it does"
    message = f"the grant '{rule.name}' rests on the witness: 'native: {rule.native}' is the guest's choice; {told}"
    if rule.library:
        message = (
            f"the grant '{rule.name}' rests on the guest: 'library' is what its own stack and memory say, and any code "
            "can write there what it likes"
        )
    return [Finding(ERROR if strict else WARNING, "witness-grant", complaint(value_of(node, "native"), message))]


def address_grant(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A grant of names by their addresses: every name has to be looked up before it can be judged."""
    by_address = [target for target in rule.to or () if target.form in (NET, PUBLIC)]
    if rule.verdict == DENY or "dns" not in rule.kinds or not by_address:
        return []
    message = (
        f"'{rule.name}' grants names by their addresses ({by_address[0].text}), so every name that no rule before it "
        "decides is looked up, and the look-up itself can carry data out; leave dns out, or name the hosts"
    )
    return [Finding(WARNING, "address-grant", complaint(value_of(node, "to"), message))]


def open_grant(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A grant of everything: what stands below it hardly matters."""
    asks = rule.to is not None or any([getattr(rule, facet) for facet, _, _ in FACETS])
    if rule.verdict != ALLOW or "connect" not in rule.kinds or asks:
        return []
    return [
        Finding(
            WARNING,
            "open-grant",
            complaint(node, f"'{rule.name}' allows every destination without a record; `log` keeps one", length=1),
        )
    ]


QUESTIONS = (witness_grant, native_grant, address_grant, open_grant)


# The whole.


def open_default(composition: Composition) -> list[Finding]:
    """A default that lets through what nobody thought of, without a record."""
    if composition.policy.default != ALLOW:
        return []
    text = "what no rule speaks of is allowed without a record; `default: log` keeps one, `default: deny` is safer"
    saying = [root for root in composition.roots if root.default is not None]
    if composition.default is not None or not saying:
        return [Finding(WARNING, "open-default", text)]
    return [Finding(WARNING, "open-default", complaint(value_of(saying[-1].node, "default"), text))]


def shadows(composition: Composition) -> list[Finding]:
    """Rules that never come to their turn because of another file's, or for private addresses only."""
    nodes = composition.nodes() if composition.shadows else []
    found = []
    for rule, earlier, how in composition.shadows:
        told = f"'{earlier.name}' at {earlier.where} comes first and takes all of it"
        if how != CERTAIN:
            told = (
                f"'{earlier.name}' at {earlier.where} comes first and takes all of it but names at private addresses; "
                f"move '{rule.name}' up if it is meant to deny them everywhere"
            )
        else:
            told = f"'{rule.name}' never matches here: {told}"
        found.append(Finding(WARNING, "shadowed", complaint(nodes[rule.index][1], told, length=1)))
    return found


def unused_lists(document: Document) -> list[Finding]:
    """Lists that no rule names; in a file without rules they are there for those who include it."""
    if not document.rules:
        return []
    return [
        Finding(WARNING, "unused-list", complaint(key, f"no rule names the list '@{name}'"))
        for name, (key, _) in document.scope.nodes.items()
        if name not in document.scope.used
    ]


def changed_tests(composition: Composition) -> list[Finding]:
    """Tests that hold of their file and not of all the sources together."""
    if len(composition.roots) == 1 and composition.default is None:
        return []
    return [
        Finding(WARNING, "changed-test", f"{text}\n  (with all files together; in its own file the test holds)")
        for document in composition.roots
        for text in failures(document, composition.policy)
    ]


def findings(composition: Composition, strict: bool = False) -> list[Finding]:
    """Everything worth knowing about these sources, in the order of their rules."""
    found = open_default(composition)
    for rule, (_, node) in zip(composition.policy.rules, composition.nodes(), strict=True):
        for question in QUESTIONS:
            found += question(rule, node, strict)
    found += shadows(composition)
    for document in composition.documents:
        found += unused_lists(document)
    return found + changed_tests(composition)


def check(sources: list[str], *, default: str | None = None, strict: bool = False) -> tuple[Composition, list[Finding]]:
    """The sources put together and tested, and what their author should know.

    strict: grants that rest on the guest's word are errors. Raises PolicyError on what `load_policy` refuses.
    """
    composition = compose(sources, default=default)
    return composition, findings(composition, strict)
