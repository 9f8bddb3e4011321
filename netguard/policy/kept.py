"""The shipped packs in compiled form, so that a run with one of them starts without importing a YAML parser (15 ms).

A kept file holds the very bytes of the rule files that it was made from, and is used only while those are still what
lies in `rules/`; whoever edits a pack gets what the edited text says. `python -m netguard.policy.kept` makes them anew,
and `tests/rules` fails until that is done. They lie beside the code and are trusted exactly as it is.

    netguard-kept 1
    digest HEX
    source FILE BYTES           one a file, in order
                                an empty line, the files' bytes one after the other, the compiled policy
"""

from __future__ import annotations

import os

from netguard.core.compiled import BadPolicy, load
from netguard.core.policy import Policy
from netguard.paths import packs_dir

HEADER = b"netguard-kept 1"
FOLDER = "kept"


def kept_path(name: str) -> str:
    return os.path.join(packs_dir(), FOLDER, name + ".policy")


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def same_bytes(lines: list[bytes], body: bytes) -> int:
    """How many bytes of the body are the pack's rule files as they lie in `rules/` now; -1 if any differs."""
    at = 0
    for line in lines:
        word, file, size = line.split(b" ")
        now = read(os.path.join(packs_dir(), os.path.basename(file.decode())))
        if word != b"source" or now is None or len(now) != int(size) or body[at : at + len(now)] != now:
            return -1
        at += len(now)
    return at


def kept(name: str) -> Policy | None:
    """The policy of the pack, or None if no kept form of what the pack says now can be read."""
    raw = read(kept_path(name))
    head, _, body = (raw or b"").partition(b"\n\n")
    lines = head.split(b"\n")
    if lines[0] != HEADER:
        return None
    try:
        start = same_bytes(lines[2:], body)
        policy = load(body[start:].decode("ascii")) if start >= 0 else None
    except (BadPolicy, ValueError):  # not as `keep` wrote it; the pack itself can still be read
        return None
    if policy is not None:
        policy.digest = lines[1].removeprefix(b"digest ").decode()
    return policy


def keep(name: str) -> bytes:
    """The kept form of a pack: read, tested and compiled as any other rule file. Raises PolicyError."""
    from netguard.core.compiled import dump
    from netguard.policy.compose import compose

    composition = compose([f"netguard:{name}"])
    paths = [document.node.source.path for document in composition.documents]
    texts = [read(path) or b"" for path in paths]
    names = [os.path.basename(path).encode() for path in paths]
    sources = [b"source %s %d" % (file, len(text)) for file, text in zip(names, texts, strict=True)]
    head = [HEADER, b"digest " + composition.policy.digest.encode(), *sources]
    return b"\n".join(head) + b"\n\n" + b"".join(texts) + dump(composition.policy).encode("ascii")


def main() -> None:
    """Make the kept form of every pack."""
    from netguard.policy.load import pack_names

    os.makedirs(os.path.dirname(kept_path("")), exist_ok=True)
    for name in pack_names():
        form = keep(name)
        with open(kept_path(name), "wb") as file:
            file.write(form)


if __name__ == "__main__":
    main()
