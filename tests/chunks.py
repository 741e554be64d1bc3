"""The loop's chunks, looked at before each: devices that fail when a test wants it."""

from jaxanon.adaptation import chunk


def before_each_chunk(monkeypatch, look):
    """Have `look` called with the number of slots before each chunk; what it raises fails there."""
    real = chunk.advance

    def advance(*arguments):
        look(arguments[-1].done.shape[0])
        return real(*arguments)

    advance.lower = real.lower
    monkeypatch.setattr(chunk, "advance", advance)
