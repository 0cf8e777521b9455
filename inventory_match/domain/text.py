"""What strangers wrote, made harmless to show.

A key, a queue message, a receiver's answer or the text of an error may hold anything: escape codes that repaint a terminal,
line ends that forge a line of a log, marks that turn the reading order round. Rows keep such text as it came; whoever prints
it for people passes it through here.
"""

from __future__ import annotations


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with everything that is no visible character or plain space as its escape; `lines` keeps line ends and tabs.

    >>> printable("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or (lines and one in "\n\t") else repr(one)[1:-1] for one in text)


def indented(text: str) -> str:
    """Several lines of which only the first begins at the margin, so that none can pass for an entry of its own."""
    return printable(text, lines=True).replace("\n", "\n    ")
