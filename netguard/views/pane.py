r"""What a guest writes to its terminal, as lines that can stand above the live view. Pure; any bytes, cut anywhere.

The guest is hostile, and its output goes to the terminal that shows what it does: a sequence that moves the cursor,
sets the title, fills the clipboard or switches the screen could paint over that. So the output is read as a terminal
would read it, and of everything a terminal obeys only this is kept, within the line that is being written: colours
(SGR), carriage return, backspace, tab, erasing in the line, and going to a column of it. All else is dropped, and what
turns text around (bidi controls) is shown as its escape.

A string sequence (OSC, DCS, ...) ends with its line at the latest, and what stood in it is shown then: else a guest
that begins one and never ends it would swallow the supervisor's next words.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from netguard.views.text import MARKS

#: Characters of one line. A longer one is shown in pieces, each of whole rows of the screen, so that nobody sees it.
LINE = 4_096
#: Characters of a string sequence that are kept in case it is never ended, and of any other sequence.
STRING, SEQUENCE = 4_096, 64

#: Text that is only text: no control character of either set, and nothing that turns text around.
TEXT = re.compile("[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
#: SGR parameters: numbers between semicolons; colons are another form of extended colours.
PARAMETERS = re.compile(r"[0-9]{0,3}(?:[;:][0-9]{0,3}){0,31}")

GROUND, ESCAPE, CSI, STRINGS, STRING_ESCAPE = range(5)

#: The line ends where a terminal would go down: LF, VT, FF.
DOWN = "\n\x0b\x0c"

#: SGR numbers by what they set; a new one takes the place of the old. 8, which hides text, is left out.
ATTRIBUTES = {
    **dict.fromkeys((1, 2, 22), "weight"),
    **dict.fromkeys((3, 23), "italic"),
    **dict.fromkeys((4, 21, 24), "underline"),
    **dict.fromkeys((7, 27), "inverse"),
    **dict.fromkeys((9, 29), "strike"),
    **dict.fromkeys((*range(30, 40), *range(90, 98)), "front"),
    **dict.fromkeys((*range(40, 50), *range(100, 108)), "back"),
}
#: Numbers that only take an attribute away.
OFF = frozenset((22, 23, 24, 27, 29, 39, 49))
#: Numbers that are followed by a colour: 5;N or 2;R;G;B.
EXTENDED = {38: "front", 48: "back"}

RESET = "\x1b[0m"


class Pane:
    """The output of a guest. `feed` its bytes, print what comes back; `partial` is the line that is being written.

    width: columns of the screen, for lines that are too long to be kept whole.
    """

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.state = GROUND
        self.sequence = ""  # of an escape sequence, what came of it
        self.chars: list[str] = []
        self.inks: list[str] = []
        self.at = 0
        self.ink = ""
        self.attributes: dict[str, str] = {}
        self.lines: list[str] = []

    def feed(self, data: bytes, *, final: bool = False) -> list[str]:
        """The lines that these bytes complete: text, our own form of the guest's colours, and nothing else."""
        text = self.decoder.decode(data, final)
        at = 0
        while at < len(text):
            at = self.take(text, at) if self.state == GROUND else self.within(text, at)
        lines, self.lines = self.lines, []
        return lines

    def finish(self) -> list[str]:
        """The end: what is left, as lines."""
        lines = self.feed(b"", final=True)
        if self.state in (STRINGS, STRING_ESCAPE):
            self.abandon()
        if self.chars:
            self.end()
        lines, self.lines = lines + self.lines, []
        return lines

    @property
    def partial(self) -> str:
        """The unfinished line as it would be shown now, "" if there is none."""
        return self.shown(self.chars, self.inks)

    def partial_in(self, columns: int) -> str:
        """Its end, in so many columns."""
        start, room = len(self.chars), columns
        while start and room - columns_of(self.chars[start - 1]) >= 0:
            start -= 1
            room -= columns_of(self.chars[start])
        return self.shown(self.chars[start:], self.inks[start:])

    # Reading

    def take(self, text: str, at: int) -> int:
        """Takes up text or one control character; returns where it goes on."""
        found = TEXT.match(text, at)
        if found is not None:
            self.put(found.group())
            return found.end()
        char = text[at]
        if char in DOWN:
            self.end()
        elif char == "\r":
            self.at = 0
        elif char == "\b":
            self.at = max(0, self.at - 1)
        elif char == "\t":
            self.put(" " * (8 - self.at % 8))
        elif char in STARTS:
            self.state, self.sequence = STARTS[char], ""
        elif char >= "\u2028":
            self.put(f"\\u{ord(char):04x}")
        return at + 1

    def within(self, text: str, at: int) -> int:
        """Takes up one character of an escape sequence; returns where it goes on."""
        char = text[at]
        if self.state == STRINGS:
            found = TEXT.match(text, at)
            if found is not None:
                self.sequence = (self.sequence + found.group())[-STRING:]
                return found.end()
        if self.state in (STRINGS, STRING_ESCAPE):
            return self.within_string(char, at)
        if char in "\x18\x1a":  # CAN and SUB end a sequence, as in every terminal
            self.state = GROUND
        elif char == "\x1b":
            self.state, self.sequence = ESCAPE, ""
        elif char < " ":
            state, self.state = self.state, GROUND
            self.take(text, at)  # terminals obey control characters inside a sequence
            self.state = state if self.state == GROUND and char not in DOWN else self.state
        elif self.state == ESCAPE:
            self.escape(char)
        else:
            self.csi(char)
        return at + 1

    def within_string(self, char: str, at: int) -> int:
        """A character of a string sequence: nothing of it is shown, unless its line ends before it does."""
        if char in DOWN:
            self.abandon()
            self.end()
        elif char in "\x07\x9c\x18\x1a" or (self.state == STRING_ESCAPE and char == "\\"):
            self.state = GROUND
        elif self.state == STRING_ESCAPE:
            self.state, self.sequence = ESCAPE, ""
            return at  # an escape sequence in a string ends it
        elif char == "\x1b":
            self.state = STRING_ESCAPE
        return at + 1

    def abandon(self) -> None:
        """A string sequence that was never ended: what stood in it was text, or is shown as such."""
        self.state = GROUND
        for run in TEXT.findall(self.sequence):
            self.put(run)

    def escape(self, char: str) -> None:
        """The character behind ESC."""
        if char in "[]PX^_":
            self.state, self.sequence = CSI if char == "[" else STRINGS, ""
        elif not " " <= char <= "/" or len(self.sequence) > SEQUENCE:
            self.state = GROUND
        self.sequence += char if self.state == ESCAPE else ""

    def csi(self, char: str) -> None:
        """A character of a control sequence; the last one says what it does."""
        if char >= "@":
            self.state = GROUND
            if char <= "~" and len(self.sequence) < SEQUENCE:
                self.obey(char, self.sequence)
        elif len(self.sequence) < SEQUENCE:
            self.sequence += char

    def obey(self, final: str, parameters: str) -> None:
        """The few control sequences that stay within their line."""
        if not PARAMETERS.fullmatch(parameters):
            return
        if final == "m":
            self.paint(parameters)
            return
        number = int(parameters) if parameters.isdigit() else 0
        if final == "K":
            self.erase(number)
        elif final in "G`":
            self.go(max(1, number) - 1)
        elif final == "C":
            self.go(self.at + max(1, number))
        elif final == "D":
            self.at = max(0, self.at - max(1, number))

    # The line

    def put(self, text: str) -> None:
        """Text at the cursor, over what stands there."""
        text = text if text.isascii() else self.thinned(text)
        at, end = self.at, self.at + len(text)
        self.chars[at:end] = text
        self.inks[at:end] = [self.ink] * len(text)
        self.at = end
        while len(self.chars) > LINE:
            self.cut()

    def thinned(self, text: str) -> str:
        """Without the marks that are too many for one letter: a tower of them paints over other lines, and one with no
        letter of its line to stand on sits on what is above."""
        before = self.at
        while before and is_mark(self.chars[before - 1]):
            before -= 1
        marks = self.at - before if before else MARKS
        kept = []
        for char in text:
            marks = marks + 1 if is_mark(char) else 0
            if marks <= MARKS:
                kept.append(char)
        return "".join(kept)

    def cut(self) -> None:
        """Gives out the beginning of a line that is too long: as many whole rows of the screen as it fills."""
        rows = self.width * max(1, LINE // 2 // self.width)
        used = kept = 0
        while kept < len(self.chars) and used + columns_of(self.chars[kept]) <= rows:
            used += columns_of(self.chars[kept])
            kept += 1
        kept = max(1, kept)
        self.lines.append(self.shown(self.chars[:kept], self.inks[:kept]))
        del self.chars[:kept], self.inks[:kept]
        self.at = max(0, self.at - kept)

    def end(self) -> None:
        """The line is whole."""
        self.lines.append(self.shown(self.chars, self.inks))
        self.chars, self.inks, self.at = [], [], 0

    def go(self, column: int) -> None:
        """To a column, within what can be kept."""
        self.at = min(column, LINE - 1)
        blank = self.at - len(self.chars)
        if blank > 0:
            self.chars += " " * blank
            self.inks += [""] * blank

    def erase(self, what: int) -> None:
        """To the end of the line, up to the cursor, or all of it."""
        if what == 0:
            del self.chars[self.at :], self.inks[self.at :]
        elif what == 1:
            upto = min(self.at + 1, len(self.chars))
            self.chars[:upto], self.inks[:upto] = " " * upto, [""] * upto
        elif what == 2:
            at = self.at
            self.chars, self.inks = [], []
            self.go(at)

    def paint(self, parameters: str) -> None:
        """Takes up colours; what is unknown is left out."""
        numbers = [int(part) if part else 0 for part in parameters.replace(":", ";").split(";")]
        at = 0
        while at < len(numbers):
            number = numbers[at]
            at += 1
            if number == 0:
                self.attributes.clear()
            elif number in EXTENDED:
                colour = numbers[at : at + {5: 2, 2: 4}.get(numbers[at] if at < len(numbers) else 0, 1)]
                at += len(colour)
                if len(colour) in (2, 4) and max(colour) < 256:
                    self.attributes[EXTENDED[number]] = ";".join([str(part) for part in (number, *colour)])
            elif number in OFF:
                self.attributes.pop(ATTRIBUTES[number], None)
            elif number in ATTRIBUTES:
                self.attributes[ATTRIBUTES[number]] = str(number)
        self.ink = f"\x1b[{';'.join(self.attributes.values())}m" if self.attributes else ""

    def shown(self, chars: list[str], inks: list[str]) -> str:
        """Characters with their colours, which end with the line."""
        text = "".join(chars)
        if not any(inks):
            return text
        parts: list[str] = []
        before, start = "", 0
        for at, ink in enumerate([*inks, ""]):
            if ink != before:
                parts += [text_of(chars, start, at), RESET * bool(before), ink]
                before, start = ink, at
        return "".join([*parts, text_of(chars, start, len(chars))])


#: Control characters that begin a sequence. Of C1 those that every terminal knows; as single bytes they are no UTF-8.
STARTS = {"\x1b": ESCAPE, "\x9b": CSI, **dict.fromkeys("\x90\x98\x9d\x9e\x9f", STRINGS)}


def text_of(chars: list[str], start: int, end: int) -> str:
    """Some of the characters as a text."""
    return "".join(chars[start:end])


@lru_cache(4_096)
def is_mark(char: str) -> bool:
    """Whether it stands on the letter before it."""
    if char < "\u0300":
        return False
    from unicodedata import category

    return category(char) in ("Mn", "Me")


def columns_of(char: str) -> int:
    """Columns of one character."""
    if char < "\x7f":
        return 1
    from unicodedata import category, east_asian_width

    return 0 if category(char) in ("Mn", "Me", "Cf") else 2 if east_asian_width(char) in "WF" else 1
