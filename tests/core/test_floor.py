"""The core on every interpreter a guest may have: same answers, and nothing imported but itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.interpreters import Interpreter

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import netguard
before = set(sys.modules)
from netguard.core import address, decide, explain, limits, policy, request
came = {name for name in set(sys.modules) - before if not name.startswith("netguard.")}
assert came <= {"__future__"}, came

assert address.parse_ip("0x7f.1") == address.parse_ip("::ffff:127.0.0.1") == (4, 0x7F000001)
assert address.format_ip((6, 1)) == "::1" and address.canonical_host("API.Example.") == "api.example"
rules = policy.Policy((
    policy.Rule(0, "deny", "metadata", kinds=("connect",), to=(policy.Target("net", (4, 32, 0xA9FEA9FE)),)),
    policy.Rule(1, "allow", "api", kinds=("dns", "connect"), to=(policy.Target("suffix", "example", ((443, 443),)),),
                program=(), limits=(policy.Limit("connections", 1, 0.0, burst=1),)),
    policy.Rule(2, "log", "shell", kinds=("exec",), program=("s?", "ba*")),
))
def ask(*args, **more):
    decision = decide.decide(rules, request.Request(*args, **more))
    rows = explain.explain(rules, request.Request(*args, **more))
    assert decision.index == (rows[-1][0].index if rows[-1][1] else -1)
    return decision.verdict, decision.rule
assert ask("connect", address=(4, 0xA9FEA9FE), port=80) == ("deny", "metadata")
assert ask("connect", address=(4, 0x08080808), names=("a.example",), port=443) == ("allow", "api")
assert ask("connect", address=(4, 0x7F000001), names=("a.example",), port=443) == ("deny", "default")
assert ask("exec", program="/bin/sh") == ("log", "shell")
assert ask("dns", host="b.test") == ("deny", "default")
meter = limits.Meter()
charged = [meter.charge(rules.rules[1], request.Request("connect"), 0.0, "", 1)[0] for _ in range(2)]
assert charged == ["ok", "deny"], charged
print("as ever")
"""


def test_core_runs_alone(interpreter: Interpreter) -> None:
    ran = subprocess.run([interpreter.path, "-I", "-c", SCRIPT, str(ROOT)], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("as ever\n", "")
