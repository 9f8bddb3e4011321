"""The files that hold credentials, by name and folder: opening one is an act of the kind `file`.

A list of well-known places, not a promise to find every secret. Sources: the documentation of each tool named.
"""

from __future__ import annotations

#: Last part of the path -> folders that one of must be its parent; () for "wherever it lies".
NAMES: dict[str, tuple[str, ...]] = {
    "credentials": (".aws", ".cargo"),
    "config": (".aws", ".kube"),
    "credentials.toml": (".cargo",),
    "id_rsa": (),
    "id_dsa": (),
    "id_ecdsa": (),
    "id_ecdsa_sk": (),
    "id_ed25519": (),
    "id_ed25519_sk": (),
    ".netrc": (),
    "_netrc": (),
    ".git-credentials": (),
    ".npmrc": (),
    ".pypirc": (),
    ".pgpass": (),
    ".my.cnf": (),
    ".vault-token": (),
    "config.json": (".docker",),
    "hosts.yml": ("gh",),
    "application_default_credentials.json": (),
    "credentials.db": ("gcloud",),
    "access_tokens.db": ("gcloud",),
    "accessTokens.json": (".azure",),
    "msal_token_cache.json": (".azure",),
    "token": ("huggingface", ".huggingface"),
    "shadow": ("etc",),
    "logins.json": (),
    "key4.db": (),
    "Login Data": (),
}

#: The last three characters of each, by which the hook lets all other files go.
ENDINGS = frozenset([name[-3:] for name in NAMES])


def plain(path: str) -> str:
    """An absolute path without `//`, `.` and `..`, by which a folder would hide its name. Links are not followed."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def holds(path: str, parents: tuple[str, ...]) -> bool:
    """Whether the absolute path's parent folder is one of these; every folder is when none is named."""
    if not parents:
        return True
    folder = path.rpartition("/")[0]
    return folder[folder.rfind("/") + 1 :] in parents
