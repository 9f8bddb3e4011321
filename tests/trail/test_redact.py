"""Redaction: every credential format, no ordinary text, and no text that makes it slow."""

from __future__ import annotations

import time

import pytest

from netguard.record.names import secret_name, secrets_of
from netguard.trail.redact import LOOKED_AT, REMEMBERED, Redactor, redact_record
from tests.support.credentials import HEX, NAMED, PLAIN, TOKENS


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_token_is_hidden_wherever_it_stands(token: str) -> None:
    redactor = Redactor()
    assert redactor.text(token) == f"[redacted {len(token)}]"
    for text in (f"see {token}", f"/a?x={token}", f'"{token}"', f"a%20{token}", f"https://{token}@github.com/x"):
        assert token not in redactor.text(text)
        assert "[redacted " in redactor.text(text)


@pytest.mark.parametrize(("text", "shown"), NAMED)
def test_what_a_name_says_is_a_secret_is_hidden(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize("text", PLAIN)
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
