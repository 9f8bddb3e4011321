"""The code on an answer: made from the question, the answer, and a key that only the asker and the supervisor have.

A guest's threads reach every descriptor of their process. They can take an answer off the channel, ask something that
is allowed under the same question's number, or put a socket of their own in our descriptor's place between two calls;
and who stops the supervisor may wait for its process number. None of that makes the code that belongs to another
question. The key comes with the answer to the first report, before the guest's own code runs, and forks inherit it.
"""

from __future__ import annotations

from _blake2 import blake2b

#: Bytes of a code, at the head of each answer. A guess is one new line and one alarm each.
SIZE = 16


def keyed(key: bytes) -> blake2b:
    """Where each code under a key begins: a copy is faster than a new one. Before the report the key is empty."""
    return blake2b(key=key, digest_size=SIZE)


def begin(start: blake2b, question: bytes) -> blake2b:
    """The code's first half. The length keeps a question's end from being read as an answer's beginning."""
    found = start.copy()
    found.update(len(question).to_bytes(4, "big") + question)
    return found


def seal(start: blake2b, question: bytes, answer: bytes) -> bytes:
    """Returns the code of this answer to this question."""
    found = begin(start, question)
    found.update(answer)
    return found.digest()


def derive(master: bytes, name: str) -> bytes:
    """Returns the key that goes by `name`, so that whoever holds the master keeps no list of keys."""
    return blake2b(name.encode("utf-8", "surrogatepass"), key=master, digest_size=32).digest()
