"""What one decision costs, and how little the number of rules adds to it.

The rules are a mixture of hosts, suffixes and nets, the requests hits and misses of all three. Each figure is the
median of rounds over the same requests, in blocks by turns, so that a busy moment of the machine falls on all sizes.
"""

from __future__ import annotations

import statistics
import time
from random import Random

from netguard.core.decide import decide
from netguard.core.policy import HOST, NET, SUFFIX, Policy, Rule, Target
from netguard.core.request import Request

SIZES = (10, 100, 1_000, 10_000, 100_000)
CALLS = 1_000
KINDS = ("dns", "connect", "http", "listen")
HTTPS = ((443, 443),)


def net_of(place: int) -> tuple[int, int, int]:
    """The net of the rule at this place, of a length as feeds have them."""
    random = Random(place)
    length = random.choice((16, 19, 20, 22, 24, 24, 24, 28, 32))
    return 4, length, random.getrandbits(length)


def rules_of(size: int) -> tuple[Rule, ...]:
    """A mixture as an egress policy has it: names granted, suffixes granted, nets of a feed refused."""
    rules = []
    for place in range(size):
        target = (
            Target(HOST, f"api{place}.service{place % 97}.example", HTTPS),
            Target(SUFFIX, f"zone{place}.example", HTTPS),
            Target(NET, net_of(place)),
        )[place % 3]
        rules.append(Rule(place, "deny" if place % 3 == 2 else "allow", f"rule {place}", kinds=KINDS, to=(target,)))
    return tuple(rules)


def requests_of(size: int, random: Random) -> list[Request]:
    """Look-ups and connects in equal shares, three of four meet a rule: a host, a suffix, a net, none."""
    requests = []
    for place in range(CALLS):
        known = random.randrange(size // 3) * 3
        version, length, network = net_of(known + 2)
        inside = (version, network << (32 - length)) if place % 4 == 2 else (4, random.getrandbits(32))
        name = (
            f"api{known}.service{known % 97}.example",
            f"www.zone{known + 1}.example",
            f"www.unheard{place}.example",
            f"www.unheard{place}.example",
        )[place % 4]
        if place % 8 < 4:
            requests.append(Request("dns", "socket.getaddrinfo", host=name))
        else:
            requests.append(Request("connect", "socket.connect", names=(name,), address=inside, port=443, proto="tcp"))
    return requests


def decide_all(policy: Policy, requests: list[Request]) -> float:
    """Microseconds one decision took."""
    start = time.perf_counter()
    for request in requests:
        decide(policy, request)
    return (time.perf_counter() - start) / len(requests) * 1e6


def costs(blocks: int, rounds: int) -> dict[int, float]:
    """Microseconds of one decision, by the number of rules."""
    cases = []
    for size in SIZES:
        case = Policy(rules_of(size)), requests_of(size, Random(size))
        decide_all(*case)  # lays the rules out
        cases.append(case)
    found: list[list[float]] = [[] for _ in SIZES]
    for _ in range(blocks):
        for case, cost in zip(cases, found, strict=True):
            decide_all(*case)  # what the processor keeps at hand is this case's from here on
            cost.extend(decide_all(*case) for _ in range(rounds))
    return {size: statistics.median(cost) for size, cost in zip(SIZES, found, strict=True)}
