"""How tokens look: what they begin with, and what follows. One table for whoever hides them, with patterns or without.

Formats are from the vendors' documents. Left out because they cannot be told from ordinary names: Mailgun's old `key-`
with 32 hex digits (cache keys look so), and any rule that only measures entropy (git and content hashes).
"""

from __future__ import annotations

#: (literals, characters that follow, at least so many, exactly so many). Characters are written as in a pattern's
#: brackets: ranges, and a hyphen last.
TOKENS: tuple[tuple[tuple[str, ...], str, int, bool], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA"), "A-Z0-9", 16, True),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "A-Za-z0-9", 20, False),  # GitHub
    (("github_pat_",), "A-Za-z0-9_", 20, False),
    (("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glagent-", "gloas-"), "A-Za-z0-9_.-", 16, False),  # GitLab
    (("xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-", "xapp-"),
     "A-Za-z0-9.%-", 8, False),  # Slack
    (("sk_live_", "sk_test_", "rk_live_", "rk_test_"), "A-Za-z0-9", 8, False),  # Stripe
    (("whsec_",), "A-Za-z0-9+/=", 16, False),
    (("AIza",), "A-Za-z0-9_-", 30, False),  # Google
    (("GOCSPX-",), "A-Za-z0-9_-", 16, False),
    (("ya29.",), "A-Za-z0-9_.-", 16, False),
    (("sk-ant-", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-", "sk-lf-"), "A-Za-z0-9_-", 12, False),  # models
    (("sk-",), "A-Za-z0-9", 20, False),  # no hyphens here: sk-learn-extensions-and-more is a name
    (("hf_", "gsk_", "nvapi-", "pplx-", "xai-", "tvly-", "lsv2_"), "A-Za-z0-9", 20, False),
    (("npm_",), "A-Za-z0-9", 30, False),
    (("pypi-AgE",), "A-Za-z0-9_-", 16, False),
    (("SG.",), "A-Za-z0-9_.-", 33, False),  # SendGrid
    (("hvs.", "hvb.", "hvr."), "A-Za-z0-9_-", 16, False),  # Vault
    (("dapi",), "0-9a-f", 32, True),  # Databricks
    (("dop_v1_", "doo_v1_", "dor_v1_"), "0-9a-f", 32, False),  # DigitalOcean
    (("shpat_", "shpca_", "shppa_", "shpss_"), "0-9a-fA-F", 32, True),  # Shopify
    (("dckr_pat_",), "A-Za-z0-9_-", 16, False),
    (("SK",), "0-9a-f", 32, True),  # Twilio
)  # fmt: skip

#: Where webhooks' secrets stand: behind one of these.
WEBHOOKS = ("hooks.slack.com/services/", "hooks.slack.com/workflows/", ".com/api/webhooks/")

#: What is no value: already hidden, or a shell's or template's word for one.
NOT_VALUES = ("[redacted", "${", "$(", "{{", "%(")

#: Words that stand where a secret could and are none.
NO_SECRETS = frozenset(("none", "null", "true", "false", "undefined"))


def characters(written: str) -> frozenset[str]:
    """The characters of a row, one by one."""
    found: set[str] = set()
    at = 0
    while at < len(written):
        if written[at + 1 : at + 2] == "-" and at + 2 < len(written):
            found.update(map(chr, range(ord(written[at]), ord(written[at + 2]) + 1)))
            at += 3
        else:
            found.add(written[at])
            at += 1
    return frozenset(found)
