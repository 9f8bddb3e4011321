"""What a policy cannot hold, or holds less firmly, where each process decides for itself: injection, no supervisor.

A supervisor sees a whole run, and learns from the kernel who asks. A process alone knows what it has done itself, and
of who it is what its environment says. Like `check`, this never changes a decision.
"""

from __future__ import annotations

from netguard.core.policy import DENY, HOST, SELF, SUFFIX, Rule
from netguard.policy.check import ERROR, WARNING, Finding, findings, value_of
from netguard.policy.compose import Composition, compose
from netguard.policy.node import LIST, MAP, Node, complaint
from netguard.policy.schema import COUNTERS

#: What each facet is taken from where no supervisor knows better.
SELF_SAID = {
    "user": "without a supervisor the process itself says as whom it runs",
    "process": "without a supervisor the process itself says which program it is",
    "tags": "without a supervisor tags come from variables, and are as true as whoever set them",
}


# One question a function: (rule, its node, strict) -> findings.


def shared_limit(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A limit over more than one process: nobody counts for all of them."""
    found = []
    for each in mappings(value_under(node, "limit")) if rule.limits else []:
        keys = {key.text: (key, value) for key, value in each.pairs}
        said = keys["per"][1].text if "per" in keys else "run"
        if said == "process":
            continue
        place = keys["per"][1] if "per" in keys else next(keys[name][0] for name in COUNTERS if name in keys)
        more = "" if "per" in keys else ", which is what a limit without 'per' means"
        message = (
            f"'{rule.name}' limits per {said}{more}: without a supervisor nobody counts for several processes; "
            "write 'per: process', and each process has the whole amount"
        )
        found.append(Finding(ERROR, "injection-limit", complaint(place, message)))
    return found


def self_said(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A rule that asks who asks, which then only the asking process can tell."""
    kind = "denial" if rule.verdict == DENY else "grant"
    return [
        Finding(
            ERROR if strict and rule.verdict != DENY else WARNING,
            "injection-identity",
            complaint(value_of(node, facet), f"the {kind} '{rule.name}' rests on '{facet}': {why}"),
        )
        for facet, why in SELF_SAID.items()
        if getattr(rule, facet)
    ]


def unasked_address(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A grant of addresses that were never looked up."""
    if not rule.direct or rule.verdict == DENY:
        return []
    message = (
        f"the grant '{rule.name}' rests on 'direct': without a supervisor each process knows only what it looked up "
        "itself, so an address that another one looked up counts as never looked up"
    )
    return [Finding(WARNING, "injection-direct", complaint(value_of(node, "direct"), message))]


def unseen_native(rule: Rule, node: Node, strict: bool) -> list[Finding]:
    """A rule that asks whether something is native: no kernel shows what was not announced."""
    if not rule.native:
        return []
    told = "never holds, so the rule does nothing" if rule.native == "true" else "always holds"
    message = f"'{rule.name}' asks for 'native: {rule.native}', which {told}: without a wall nobody sees what is native"
    return [Finding(WARNING, "injection-native", complaint(value_of(node, "native"), message))]


QUESTIONS = (shared_limit, self_said, unasked_address, unseen_native)


# Questions that nearly every policy answers with yes: told once, at the first rule.


def grants_own(rule: Rule) -> bool:
    """Whether it lets through what the run itself listens on."""
    acts = "connect" in rule.kinds or "http" in rule.kinds
    return rule.verdict != DENY and acts and any([target.form == SELF for target in rule.to or ()])


def grants_names(rule: Rule) -> bool:
    """Whether it lets through connections by name."""
    named = any([target.form in (HOST, SUFFIX) for target in rule.to or ()])
    return rule.verdict != DENY and "connect" in rule.kinds and named


def grants_programs(rule: Rule) -> bool:
    """Whether it lets programs start."""
    return rule.verdict != DENY and "exec" in rule.kinds


ONCE = (
    (
        grants_own,
        "injection-own",
        "to",
        "grants what listens here (@self): without a supervisor these are the sockets of the process itself and of "
        "those it was forked from; a server in another process is not among them",
    ),
    (
        grants_names,
        "injection-names",
        "to",
        "grants by name: without a supervisor only the process that looked a name up knows its addresses; one that is "
        "handed an address is judged by the address alone",
    ),
    (
        grants_programs,
        "injection-programs",
        "",
        "lets programs start: without a supervisor nobody outside notices a Python that starts without its guard, and "
        "what is no Python is not seen at all",
    ),
)


def once(composition: Composition) -> list[Finding]:
    """A warning for each question that some rule answers with yes."""
    found = []
    nodes = composition.nodes()
    for asks, slug, key, message in ONCE:
        rules = [rule for rule in composition.policy.rules if asks(rule)]
        if rules:
            node = nodes[rules[0].index][1]
            rest = len(rules) - 1
            more = f" (and {rest} more {'rule' if rest == 1 else 'rules'})" if rest else ""
            place = value_of(node, key) if key else node
            text = complaint(place, f"'{rules[0].name}'{more} {message}", length=None if key else 1)
            found.append(Finding(WARNING, slug, text))
    return found


def mappings(node: Node) -> list[Node]:
    """The mappings in a value that is one or a list of them."""
    return node.items if node.kind == LIST else [node] if node.kind == MAP else []


def value_under(node: Node, name: str) -> Node:
    """The value of this key in a rule's node."""
    return next((value for key, value in node.pairs if key.text == name), node)


def check_alone(
    sources: list[str], *, default: str | None = None, strict: bool = False
) -> tuple[Composition, list[Finding]]:
    """As `check.check`, for a guard without a supervisor: what cannot hold there is an error."""
    composition = compose(sources, default=default)
    found = findings(composition, strict)
    for rule, (_, node) in zip(composition.policy.rules, composition.nodes(), strict=True):
        for question in QUESTIONS:
            found += question(rule, node, strict)
    return composition, found + once(composition)
