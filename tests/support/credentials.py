"""What credentials look like, and what only looks like one: for everybody who hides them."""

from __future__ import annotations

# Made here, and never a real one: each is joined from parts so that no scanner takes this file for a leak.
ALNUM = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
HEX = "0123456789abcdef0123456789abcdef"
TOKENS = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws-temporary": "ASIA" + "IOSFODNN7EXAMPLE",
    **{f"github-{kind}": f"gh{kind}_" + ALNUM[:36] for kind in "pousr"},
    "github-fine": "github_pat_" + "11ABCDEFG0" + ALNUM[:22] + "_" + ALNUM,
    "gitlab": "glpat-" + ALNUM[:20],
    "slack": "xoxb-" + "123456789012-" + ALNUM[:24],
    "stripe-live": "sk_live_" + ALNUM[:24],
    "stripe-test": "sk_test_" + ALNUM[:24],
    "stripe-restricted": "rk_live_" + ALNUM[:24],
    "google-api": "AIza" + ALNUM[:35],
    "google-oauth": "GOCSPX-" + ALNUM[:28],
    "google-access": "ya29." + ALNUM,
    "openai": "sk-" + ALNUM + "T3Bl",
    "openai-project": "sk-proj-" + ALNUM[:20] + "_" + ALNUM[:20] + "-x",
    "anthropic": "sk-ant-" + "api03-" + ALNUM,
    "huggingface": "hf_" + ALNUM[:34],
    "npm": "npm_" + ALNUM[:36],
    "pypi": "pypi-" + "AgEIcHlwaS5vcmc" + ALNUM,
    "sendgrid": "SG." + ALNUM[:22] + "." + (ALNUM + "abc")[:43],
    "vault": "hvs." + ALNUM[:24],
    "databricks": "dapi" + HEX,
    "digitalocean": "dop_v1_" + HEX * 2,
    "shopify": "shpat_" + HEX,
    "twilio": "SK" + HEX,
    "telegram": "123456789" + ":AA" + ALNUM[:33],
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + "." + ALNUM,
    "pem": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE-abc+/=\n-----END RSA " + "PRIVATE KEY-----",
    "pem-cut": "-----BEGIN " + "PRIVATE KEY-----\nMIIEabc",
}

#: What a name says is a secret -> how it is shown.
NAMED = [
    ("https://bob:hunter2@db.example/x", "https://bob:[redacted 7]@db.example/x"),
    ("redis://:p@ss:w@h:6379", "redis://:[redacted 6]@h:6379"),
    ("Authorization: Bearer abc", "Authorization: [redacted 10]"),
    ("proxy-authorization: Basic eDp5", "proxy-authorization: [redacted 10]"),
    ("Cookie: a=1; session=2", "Cookie: [redacted 14]"),
    ('curl -H "X-Api-Key: 12345abc" h', 'curl -H "X-Api-Key: [redacted 8]" h'),
    ("bearer 0123456789", "bearer [redacted 10]"),
    ("Basic dXNlcjpwYXNz", "Basic [redacted 12]"),
    ("DB_PASSWORD=hunter2 make", "DB_PASSWORD=[redacted 7] make"),
    ("api_key='with some spaces'", "api_key='[redacted 16]'"),
    ('{"clientSecret": "hunter2"}', '{"clientSecret": "[redacted 7]"}'),
    ("/v1?access_token=abc&n=1", "/v1?access_token=[redacted 3]&n=1"),
    ("tool --password hunter2 -v", "tool --password [redacted 7] -v"),
    ("curl -u bob:hunter2 h", "curl -u bob:[redacted 7] h"),
    ("UID=sa;PWD=hunter2;", "UID=sa;PWD=[redacted 7];"),
    ("https://s3/x?X-Amz-Signature=abcdef0123", "https://s3/x?X-Amz-Signature=[redacted 10]"),
    ("https://hooks.slack.com/services/T0/B0/abcdef", "https://hooks.slack.com/services/[redacted 12]"),
]  # fmt: skip

#: Texts that are left alone.
PLAIN = [
    f"/cache/{HEX * 2}/site-packages/x.py",
    f"/usr/lib/python3/site-packages/{HEX}{HEX}/RECORD",
    f"pip/cache/key-{HEX}",
    "123e4567-e89b-12d3-a456-426614174000",
    "commit " + HEX + "01234567",
    "sha256:" + HEX * 2,
    "prev " + HEX * 2,
    "/home/u/disk-scheduler-production-v2-2026-11-22-eu",
    "sk-learn-contrib-extensions-and-more-2",
    "https://example.com:8443/a/b?x=1#frag",
    "https://user@example.com/repo.git",
    "http://[::1]:8080/x@y",
    "api.token.example:443",
    "POST /v1/tokens: no rule matches; openai-chat wants path /v1/chat/*",
    "unexpected token: line",
    "max_tokens=512 tokenizer=fast password_file=/run/x",
    "PWD=/home/me OLDPWD=/tmp",
    "token=${TOKEN} secret=$(cat x)",
    "basic functionality, bearer instruments, cookie jar",
    "--password-stdin --token-file /run/t",
    "docker run -u 1000:1000 img",
    "python -m pytest tests/auth/test_secret.py::test_password",
    "secretary: Bob; keyboard: us; monkey=george",
    "eyJ" + "pZCI6MTIzNDU2Nzg5MH0",  # a cursor: base64 of JSON, but one part only
    "AKIA is how an access key begins",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "PASSWORD=None secret=null",
]  # fmt: skip
