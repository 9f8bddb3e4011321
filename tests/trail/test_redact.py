"""Redaction: every credential format, no ordinary text, and no text that makes it slow."""

from __future__ import annotations

import time

import pytest

from netguard.record.names import secret_name, secrets_of
from netguard.trail.redact import LOOKED_AT, REMEMBERED, Redactor, redact_record

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


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_is_hidden_wherever_it_stands(token: str) -> None:
    redactor = Redactor()
    assert redactor.text(token) == f"[redacted {len(token)}]"
    for text in (f"see {token}", f"/a?x={token}", f'"{token}"', f"a%20{token}", f"https://{token}@github.com/x"):
        assert token not in redactor.text(text)
        assert "[redacted " in redactor.text(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
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
    ],
)  # fmt: skip
def test_what_a_name_says_is_a_secret_is_hidden(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
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
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


def test_exact_values_are_hidden_plain_and_in_a_url() -> None:
    redactor = Redactor(["pa ss/word", "short"])
    assert redactor.text("xpa ss/wordx pa%20ss%2Fword short") == "x[redacted 10]x [redacted 14] short"


def test_a_longer_value_is_hidden_before_its_own_part() -> None:
    assert Redactor(["abcdefgh", "abcdefgh-12345"]).text("abcdefgh-12345") == "[redacted 14]"


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["x", "--password", "hunter2"], ["x", "--password", "[redacted 7]"]),
        (["x", "--api-key", "a", "b"], ["x", "--api-key", "[redacted 1]", "b"]),
        (["x", "--password=hunter2"], ["x", "--password=[redacted 7]"]),
        (["x", "--password", "--verbose"], ["x", "--password", "--verbose"]),
        (["x", "--password-file", "/run/x"], ["x", "--password-file", "/run/x"]),
        (["curl", "-u", "bob:hunter2"], ["curl", "-u", "bob:[redacted 7]"]),
        (["/usr/bin/curl", "-ubob:hunter2"], ["/usr/bin/curl", "-ubob:[redacted 7]"]),
        (["docker", "-u", "1000:1000"], ["docker", "-u", "1000:1000"]),
        (["mysql", "-phunter2"], ["mysql", "-p[redacted 7]"]),
        (["sshpass", "-p", "hunter2"], ["sshpass", "-p", "[redacted 7]"]),
        (["ssh", "-p", "2222"], ["ssh", "-p", "2222"]),
        (["sh", "-c", "curl --token abc x"], ["sh", "-c", "curl --token [redacted 3] x"]),
        (["x", "--password", 7, True], ["x", "--password", 7, True]),
        ([], []),
    ],
)  # fmt: skip
def test_a_command_line_hides_the_item_after_its_name(argv: list[object], shown: list[object]) -> None:
    redactor = Redactor()
    assert redactor.argv(argv) == shown
    assert redactor.argv(argv) == shown  # and again from memory
    assert redactor.argv(shown) == shown


def test_remembered_lists_do_not_mix_up_equal_values() -> None:
    redactor = Redactor()
    assert repr(redactor.argv([1])) == "[1]"
    assert repr(redactor.argv([True])) == "[True]"


def test_a_record_hides_every_string_but_the_trails_own() -> None:
    token = TOKENS["github-p"]
    record: dict[str, object] = {
        "kind": "http", "seq": 1, "prev": HEX * 2, "why": f"path /{token}", "ok": None,
        "http": {"headers": {"authorization": "Bearer x", "user-agent": "a", "X-Api-Key": ["q", "r"], token: "v"},
                 "query": ["purpose"], "body_bytes": 3},
        "proc": {"argv": ["x", "--token", "abc"]}, "tags": {"github_token": "abc", "session": "job"},
        "findings": [{"id": "secret-leak", "why": token}],
    }  # fmt: skip
    shown = redact_record(record, Redactor())
    assert shown == {
        "kind": "http", "seq": 1, "prev": HEX * 2, "why": "path /[redacted 40]", "ok": None,
        "http": {"headers": {"authorization": "[redacted 8]", "user-agent": "a",
                             "X-Api-Key": ["[redacted 1]", "[redacted 1]"], "[redacted 40]": "v"},
                 "query": ["purpose"], "body_bytes": 3},
        "proc": {"argv": ["x", "--token", "[redacted 3]"]}, "tags": {"github_token": "[redacted 3]", "session": "job"},
        "findings": [{"id": "secret-leak", "why": "[redacted 40]"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("GITHUB_TOKEN", True), ("x-api-key", True), ("clientSecret", True), ("--password", True), ("DB_PWD", True),
        ("PASSWORD2", True), ("Set-Cookie", True), ("Proxy-Authorization", True), ("aws.secret.access.key", True),
        ("PWD", False), ("OLDPWD", False), ("SSH_AUTH_SOCK", False), ("password_file", False), ("session", False),
        ("tokenizer", False), ("AUTHOR", False), ("", False), ("key", False),
    ],
)  # fmt: skip
def test_a_name_says_whether_its_value_is_a_secret(name: str, secret: bool) -> None:
    assert secret_name(name) is secret


def test_an_environments_secrets_are_found_by_name() -> None:
    environ = {
        "GITHUB_TOKEN": "value-one", "OPENAI_API_KEY": "value-three-3", "SIGN_KEY": "0123456789abcdefXY",
        "DATABASE_URL": "postgres://u:url-password@h/db", "DB_PASSWORD": "postgres", "API_TOKEN": "short",
        "SORT_KEY": "created_at", "PATH": "/usr/bin:/bin:/usr/sbin", "PWD": "/home/somebody",
        "SSL_KEY": "/etc/ssl/k1.pem", "TOKEN_PASSWORD": "/run/secrets/x",
    }  # fmt: skip
    assert sorted(secrets_of(environ)) == ["0123456789abcdefXY", "url-password", "value-one", "value-three-3"]


WORST = [
    "token=", "token='", 'secret: "', "sk-", "eyJ", "eyJa.", "://a:", "://", "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ", "a:AA", "1", "--a-", "authorization:", "bearer ", "basic a", "password ", "--password",
    "[redacted ", "SG.aaaaaaaaaaaaaaaaaaaa", "_", "-", " -u a", "hooks.slack.com/services/", "?sig=", "SK0", "AKIA",
]  # fmt: skip


@pytest.mark.parametrize("piece", WORST)
def test_no_text_makes_it_slow(piece: str) -> None:
    """64 KiB take milliseconds; a pattern that is quadratic in its text would take minutes."""
    tail = " -u ://:AA PRIVATE KEY----- eyJ sk- SG. token ig= bearer basic hooks.slack.com/"
    text = (piece * LOOKED_AT)[: LOOKED_AT - len(tail)] + tail
    redactor = Redactor()
    redactor.text(text[:512])
    begin = time.process_time()
    redactor.text(text)
    assert time.process_time() - begin < 1.5


def test_memory_is_bounded() -> None:
    redactor = Redactor()
    for number in range(3 * REMEMBERED):
        redactor.text(f"never said before {number}")
        redactor.argv([f"never said before {number}"])
    assert len(redactor.known) <= REMEMBERED
    assert len(redactor.lists) <= REMEMBERED
    assert not any(len(text) > 512 for text in [*redactor.known, redactor.text("x" * 10_000)[:0]])


def test_a_very_long_text_is_cut_after_hiding() -> None:
    token = TOKENS["github-p"]
    shown = Redactor().text("x" * 4_080 + " " + token + "y " * 100_000)
    assert "ghp_" not in shown
    assert shown.endswith("]")
    assert len(shown) < 5_000
