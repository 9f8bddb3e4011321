"""The tests. A package, so that `tests.support` is ours even where an installed one has the same name."""
