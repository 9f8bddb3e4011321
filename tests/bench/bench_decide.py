"""What one decision costs, and how little the number of rules adds to it: `python tests/bench/bench_decide.py`.

The rules are a mixture of hosts, suffixes and nets, the requests hits and misses of all three. Each figure is the
median of rounds over the same requests, in blocks by turns, so that a busy moment of the machine falls on all sizes.
`main` ends with 1 when a target is missed.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from netguard.core.address import parse_ip
from netguard.core.decide import decide
from netguard.core.policy import HOST, NET, SUFFIX, Policy, Rule, Target
from netguard.core.request import Request

SIZES = (10, 100, 1_000, 10_000)
BLOCKS, ROUNDS, CALLS = 9, 11, 1_000
MAX_MICROSECONDS, MAX_RATIO = 4.0, 1.3
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


def parse_all(texts: list[str]) -> float:
    """Microseconds one address took."""
    start = time.perf_counter()
    for text in texts:
        parse_ip(text)
    return (time.perf_counter() - start) / len(texts) * 1e6


def main() -> int:
    """Prints the table. Returns 0 when the targets are met."""
    cases = []
    for size in SIZES:
        random = Random(size)
        case = Policy(rules_of(size)), requests_of(size, random)
        print(f"index of {size} rules: {decide_all(*case) * CALLS / 1e3:.1f} ms with the first {CALLS} decisions")
        cases.append(case)
    costs: list[list[float]] = [[] for _ in SIZES]
    for _ in range(BLOCKS):
        for case, cost in zip(cases, costs):  # noqa: B905  # strict= is not there before 3.10
            decide_all(*case)  # what the processor keeps at hand is this case's from here on
            cost.extend(decide_all(*case) for _ in range(ROUNDS))
    medians = [statistics.median(cost) for cost in costs]
    for size, median in zip(SIZES, medians):  # noqa: B905
        print(f"decide, {size:>6} rules: {median:.2f} us, x{median / medians[0]:.2f}")
    spelled = statistics.median([parse_all(["93.184.216.34"] * CALLS) for _ in range(ROUNDS)])
    print(f"parse_ip of a dotted quad: {spelled:.2f} us")
    return 0 if medians[0] <= MAX_MICROSECONDS and medians[-1] <= MAX_RATIO * medians[0] else 1


if __name__ == "__main__":
    sys.exit(main())
