"""The JSON Schema of rule files, from the tables of `policy.schema`: what an editor completes, explains and underlines.

It must never be stricter than the loader: who trusts the editor would change a file that is right. What only the loader
can tell (whether a list exists, whether a name can be carried, which port of a range is the lower one) is left to it.
It is stricter in one place: a list that no rule names is never read by the loader, and here has to be one all the same.

Draft 7, because it is the last that editors have in common: the YAML language server read nothing later for years, and
Taplo, which reads TOML in most editors, still does not. A `$ref` stands nowhere beside another word, which draft 7
ignores. `enumDescriptions`, `errorMessage`, `patternErrorMessage` and `markdownDescription` are VS Code's words, also
read by the YAML language server and passed over by all others.
"""

from __future__ import annotations

import json

from netguard.core.request import KINDS
from netguard.policy import schema
from netguard.policy.compile import AUDIT, MAX_AMOUNT, MAX_LIMITS
from netguard.policy.load import PACK
from netguard.policy.schema import ALIASES, BUILTIN, KIND_MEANINGS, PARTLY, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    Schema = dict[str, object]

#: A text may look like a number or like true: the loader takes it as it was written. That it may be true is said by
#: what it is not, or editors would propose true and false for every name.
OTHERS = ["string", "number", "null", "array", "object"]
TEXT: Schema = {
    "anyOf": [{"type": OTHERS[:2], "minLength": 1, "maxLength": schema.MAX_TEXT}, {"not": {"type": OTHERS}}]
}

#: 0 to 65535 in at most five digits, and what ports are written as behind a destination's colon.
PORT = r"(?:[0-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
PORT_RANGE = rf"\s*{PORT}(?:-{PORT})?\s*"
PORTS = rf"{PORT_RANGE}(?:,{PORT_RANGE})*"
LIST_NAME = r"[A-Za-z0-9_-]"

#: The forms of a destination. Which names and addresses there are is for the loader to say.
DESTINATIONS = (
    rf"@{LIST_NAME}*(?::{PORTS})?",
    r"unix:[/@](?:[^*]*[^*]\*?|\*)",
    rf"\[[^\]]+\](?::{PORTS})?",
    rf"\[[^\]]+\]/\d{{1,3}}(?::(?:{PORTS})?)?",
    rf"[^@*/\[\]]+/\d{{1,3}}(?::(?:{PORTS})?)?",
    rf"(?:\*\.)?[^@*/:\[\] ]+(?::{PORTS})?",
    r"[0-9A-Fa-f]*:[^@*/\[\]]*:[^@*/\[\]]*",
)
DESTINATION: Schema = {
    **TEXT,
    "pattern": f"^(?:{'|'.join(DESTINATIONS)})$",
    "patternErrorMessage": "A destination is HOST, HOST:PORT, *.HOST, an address, a network, unix:/PATH or @LIST. "
    "An IPv6 address with ports stands in brackets; ports are written 443, 443,8443 or 8000-8100.",
}


def words(found: Iterable[str], meanings: Collection[str] = ()) -> Schema:
    """One of these words."""
    known: Schema = {"type": "string", "enum": list(found)}
    return {**known, "enumDescriptions": list(meanings)} if meanings else known


def required(names: Iterable[str], told: str) -> Schema:
    """A mapping with these keys, and what an editor says of one without."""
    return {"required": list(names), "errorMessage": told}


def either(*forms: Schema) -> Schema:
    """A value of one of these forms."""
    return {"anyOf": list(forms)}


def defined(name: str) -> Schema:
    """What stands under this name in `definitions`."""
    return {"$ref": f"#/definitions/{name}"}


def several(form: Schema, most: int = 0) -> Schema:
    """One value of this form, or a list of them that is not empty."""
    listed: Schema = {"type": "array", "items": form, "minItems": 1}
    return either(form, {**listed, "maxItems": most} if most else listed)


def mapping(keys: dict[str, Key], needed: Iterable[str] = (), **more: object) -> Schema:
    """A mapping with these keys and no other."""
    found: Schema = {"type": "object", "additionalProperties": False}
    found["properties"] = {name: property_of(key) for name, key in keys.items()}
    return {**found, **({"required": list(needed)} if needed else {}), **more}


def property_of(key: Key) -> Schema:
    """A key's value with what is said about it. One that this version refuses takes no value, and says why."""
    if key.refused:
        told = f"Not in this version: it {key.refused}."
        return {"description": told, "type": "null", "errorMessage": told, "doNotSuggest": True}
    form = NAMED[key.name] if key.name in NAMED else SHAPES[key.shape]
    found: Schema = {"description": key.meaning}
    if "`" in key.meaning:  # or an editor would show the marks
        found["markdownDescription"] = key.meaning
    if key.name in EXAMPLES:
        found["examples"] = EXAMPLES[key.name]
    return {**found, **form()}


# Kinds.


def kinds_of(kinds: Collection[str], audit: bool) -> Schema:
    """Kinds of these, by their names or their events', or `any`; with `audit` other events too."""
    meanings = ["every kind to which all of the rule's facets apply", *[KIND_MEANINGS[kind] for kind in kinds]]
    events = [event for event, kind in ALIASES.items() if kind in kinds]
    told = f"What the rule speaks of can be any, {', '.join(kinds)}" + (
        f", or {AUDIT}NAME of an audit event." if audit else "."
    )
    known = words(["any", *kinds, *events], [*meanings, *[f"means {ALIASES[event]}" for event in events]])
    return either({**known, "errorMessage": told}, *([audit_event(told)] if audit else []))


def audit_event(told: str) -> Schema:
    """`audit:NAME` of an event that is no kind's."""
    return {
        "type": "string",
        "pattern": f"^{AUDIT}[^ ]+$",
        "not": {"enum": [AUDIT + event for event in [*ALIASES, *PARTLY]]},
        "patternErrorMessage": told,
    }


def group(kinds: Collection[str]) -> str:
    """The name of the definition of these kinds."""
    return "-".join(["kind", *kinds])


def definitions() -> Schema:
    """What is said in several places: a text, a destination, and kinds, all or those that some facet applies to."""
    sets = {key.kinds for key in schema.RULE_KEYS.values() if key.kinds and not key.refused} - {schema.ALL}
    found: Schema = {"text": TEXT, "destination": DESTINATION, "kind": kinds_of(KINDS, audit=True)}
    return {**found, **{group(kinds): kinds_of(kinds, audit=False) for kinds in sorted(sets)}}


# Parts of a file.


def rate() -> Schema:
    """`60/min`."""
    units = "|".join(schema.UNITS)
    told = f"A number, a slash and one of {', '.join(schema.UNITS)}, such as 60/min."
    return {"type": "string", "pattern": rf"^\s*\d+\s*/\s*(?:{units})\s*$", "patternErrorMessage": told}


def limit() -> Schema:
    """`limit`: a mapping that counts something, or a list of them."""
    counted = [required([name], f"A limit counts {' or '.join(schema.COUNTERS)}.") for name in schema.COUNTERS]
    return several(mapping(schema.LIMIT_KEYS, anyOf=counted, title="limit"), MAX_LIMITS)


def per() -> Schema:
    """`per`, with the tags that a run may have."""
    told = f"One of {', '.join(schema.PER)}, or tag:NAME."
    return either(words(schema.PER), {"type": "string", "pattern": "^tag:.", "patternErrorMessage": told})


def include() -> Schema:
    """Packs by their names, and any file."""
    from netguard.policy.load import pack_names

    packs = words([PACK + name for name in pack_names()])
    return several(either(packs, {**TEXT, "not": {"pattern": f"^{PACK}"}}))


def lists() -> Schema:
    """`lists`: destinations written out, or a file of them."""
    names = {"pattern": f"^{LIST_NAME}*$", "not": {"enum": list(BUILTIN)}}
    from_file = mapping(schema.LIST_KEYS, schema.LIST_KEYS, title="list from a file")
    written = several(defined("destination"))
    return {"type": "object", "propertyNames": names, "additionalProperties": either(written, from_file)}


def request() -> Schema:
    """A request of a test. Its kind may be quoted, as any word of it."""
    known = "|".join([rf"{kind}\s" for kind in KINDS])
    told = f"A request is one of {', '.join(KINDS)}, or {AUDIT}EVENT, and what is asked for: connect example.org:443"
    pattern = rf"^\s*(?:\[[^\]]*\]\s*)?(?:{known}|{AUDIT}.|\S*['\"\\])"
    return {"type": "string", "pattern": pattern, "patternErrorMessage": told}


def rule() -> Schema:
    """A rule: one verdict, and facets that apply to the kinds it speaks of."""
    verdicts = [
        required([word], f"A rule has exactly one of {', '.join(schema.VERDICTS)}.") for word in schema.VERDICTS
    ]
    not_deny: Schema = {"not": {"required": ["deny"]}}
    needs: dict[str, list[Schema]] = {
        "limit": [not_deny],
        "private": [required(["to"], "`private` is about names in `to`, and there is none.")],
        "unguarded": [
            required(["program"], "`unguarded` is about programs in `program`, and there is none."),
            not_deny,
        ],
    }
    for key in schema.RULE_KEYS.values():
        if key.kinds and key.kinds != schema.ALL and not key.refused:
            held = several(defined(group(key.kinds)))
            needs.setdefault(key.name, []).append({"properties": dict.fromkeys(schema.VERDICTS, held)})
    together = {name: parts[0] if len(parts) == 1 else {"allOf": parts} for name, parts in needs.items()}
    return mapping(schema.RULE_KEYS, oneOf=verdicts, dependencies=together, title="rule")


def rule_name() -> Schema:
    """`name`; shorter than a text, once its spaces are joined, which only the loader does."""
    return {**TEXT, "not": {"enum": ["default"]}}


def origin() -> Schema:
    return mapping(schema.FROM_KEYS, minProperties=1)


def native() -> Schema:
    """`native`: whether, or by which library."""
    return either({"type": "boolean"}, mapping(schema.NATIVE_KEYS, minProperties=1))


def tags() -> Schema:
    return {"type": "object", "minProperties": 1, "additionalProperties": defined("text")}


def rules() -> Schema:
    return {"type": "array", "items": rule(), "maxItems": schema.MAX_RULES}


def tests() -> Schema:
    each = mapping(schema.TEST_KEYS, schema.TEST_KEYS, title="test")
    return {"type": "array", "items": each, "maxItems": schema.MAX_TESTS}


#: The form of each shape that a key's value can have.
SHAPES: dict[str, Callable[[], Schema]] = {
    "text": lambda: TEXT,
    "text or a list of texts": lambda: several(defined("text")),
    "true or false": lambda: {"type": "boolean"},
    "allow, log or deny": lambda: words(schema.VERDICTS),
    "a list of rules": rules,
    "a list of tests": tests,
    schema.KINDS_SHAPE: lambda: several(defined("kind")),
    "a destination or a list of them": lambda: several(defined("destination")),
    "tcp, udp or unix, or a list of them": lambda: several(words(schema.PROTOS)),
    "a mapping or a list of them": limit,
    "a rate such as 60/min": rate,
    "deny, log or delay": lambda: words(schema.OVER),
    "hosts, domains or cidr": lambda: words(schema.FORMATS, schema.FORMATS.values()),
}

#: Those of keys that share their shape with others and take less.
NAMED: dict[str, Callable[[], Schema]] = {
    "version": lambda: {"type": "integer", "enum": [schema.VERSION]},
    "include": include,
    "lists": lists,
    "name": rule_name,
    "from": origin,
    "native": native,
    "tags": tags,
    "per": per,
    "burst": lambda: {"type": "integer", "minimum": 1, "maximum": MAX_AMOUNT},
    "request": request,
}

#: What an editor shows as examples, where a key's meaning does not show one.
EXAMPLES: dict[str, list[object]] = {
    "lists": [{"models": ["api.example.org:443"]}],
    "to": ["api.example.org:443", "*.example.org", "10.0.0.0/8", "unix:/run/app.sock", "@loopback"],
    "program": ["git", ["python3", "/usr/bin/*"]],
    "args": ["git clone *"],
    "from": [{"package": "requests"}],
    "native": [True, {"library": "*grpc*"}],
    "tags": [{"job": "nightly"}],
    "limit": [{"connections": "60/min", "over": "delay"}],
    "connections": ["60/min", "500/run"],
    "lookups": ["60/min", "500/run"],
    "request": ["connect api.example.org:443", "dns evil.example", "exec git push", "listen 127.0.0.1:0"],
}


def json_schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "netguard rule file",
        "description": "Rules are tried from the top; the first that matches wins, and if none does, `default` holds.",
        **mapping(schema.FILE_KEYS, ["version"]),
        "definitions": definitions(),
    }


def text() -> str:
    """The schema as the file that is shipped has it."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
