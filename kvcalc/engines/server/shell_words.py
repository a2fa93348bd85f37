"""A pasted piece of shell, split into commands and words: nothing of it is ever run.

Quotes, escapes, comments, redirections, continued lines (of cmd and PowerShell too) and operators
are taken as a shell takes them. Variables that the text itself sets are put in, others stay as they
are written; $((64 * 1024)) is worked out. <MODEL> is a placeholder, not a redirection.
"""

import re
from collections.abc import Iterator, Mapping

from kvcalc.engines.server.arithmetic import worked_out

CONTINUED = re.compile(r"(?:\\|\s\^|\s`)[ \t]*\r?\n")
WINDOWS = re.compile(
    r"\s\^[ \t]*\r?\n|\.exe\b|(?:^|[\s\"'])[A-Za-z]:\\|\\\\[\w.]+\\", re.IGNORECASE
)
"""How a Windows line is recognised, in which a backslash is an ordinary character."""

POWERSHELL = re.compile(r"\$env:([A-Za-z_]\w*)[ \t]*=[ \t]*", re.IGNORECASE)
"""How PowerShell sets a variable of the environment."""

OPERATOR = re.compile(r"&&|\|\||[;&|\n()]")
REDIRECTION = re.compile(r"(?:[0-9]|&)?(?:>>?|<<?<?)&?[ \t]*(?:[0-9](?=\s|$)|-)?")
REDIRECTED = re.compile(rf"{REDIRECTION.pattern}[^\s;&|]*")
PLACEHOLDER = re.compile(r"<[A-Za-z_][^<>\s]*>")
EXPANSION = re.compile(
    r"\$(?:\(\((?P<sum>[^()]*(?:\([^()]*\)[^()]*)*)\)\)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?::?-(?P<default>[^{}]*))?\}"
    r"|\((?P<command>[^()]*)\))"
)
ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
PROMPTS = {"$", "%", ">", "#", "\u276f"}
"""What stands before a command that was copied with its prompt."""


class OpenQuoteError(ValueError):
    """A quote is not closed, or nothing follows an escape."""


def commands(
    text: str, given: Mapping[str, str] | None = None
) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Split into commands: the variables set up to each, `given` ones included, and its words.

    Raises:
        OpenQuoteError: a quote is not closed, or nothing follows an escape.
    """
    windows = WINDOWS.search(text) is not None
    text = CONTINUED.sub(" ", POWERSHELL.sub(r"export \1=", text))
    variables = dict(given or {})
    words: list[str] = []
    splitter = Splitter(text, variables, windows=windows)
    for word in splitter:
        if word is not None:
            words.append(word)
            continue
        if words and not _sets(words, variables):
            yield dict(variables), words
        words = []


def _sets(words: list[str], variables: dict[str, str]) -> bool:
    """Take a command that does nothing but set variables."""
    rest = words[1:] if words[0] in ("export", "set", "SET") else words
    found = [ASSIGNED.fullmatch(word) for word in rest]
    if not all(found):
        return words[0] == "export"
    variables.update((match[1], match[2]) for match in found if match)
    return True


class Splitter:
    """Walks through a text once: words, and None where a command ends."""

    def __init__(self, text: str, variables: Mapping[str, str], *, windows: bool) -> None:
        self.text = text
        self.variables = variables
        self.windows = windows
        self.place = 0
        self.word: str | None = None
        self.begins = True

    def __iter__(self) -> Iterator[str | None]:
        while self.place < len(self.text):
            yield from self._step()
        yield from self._end()
        yield None

    def _end(self) -> Iterator[str]:
        if self.word is not None:
            if not (self.begins and self.word in PROMPTS):
                yield self.word
            self.begins = False
        self.word = None

    def _step(self) -> Iterator[str | None]:
        letter = self.text[self.place]
        if letter == "\n" or letter in ";&|()":
            yield from self._operator()
        elif letter.isspace():
            self.place += 1
            yield from self._end()
        elif self.text.startswith("> ", self.place) and self._is_prompt():
            self.place += 1
        elif letter in "<>" and (self.word is None or self.word.isdecimal()):
            self.word = None
            yield from self._redirected()
        elif letter == "#" and self.word is None and not self._is_prompt():
            self.place = len(self.text) if (end := self.text.find("\n", self.place)) < 0 else end
        elif letter == "$" and (match := EXPANSION.match(self.text, self.place)):
            self.place = match.end()
            yield from self._expanded(self._value(match))
        else:
            self._add(self._quoted(letter))

    def _is_prompt(self) -> bool:
        """Whether a # or > is a prompt: at the beginning of a text of one line."""
        return not self.text[: self.place].strip() and "\n" not in self.text.strip()

    def _operator(self) -> Iterator[str | None]:
        match = REDIRECTION.match(self.text, self.place)
        if match:
            yield from self._redirected()
            return
        operator = OPERATOR.match(self.text, self.place)
        self.place = operator.end() if operator else self.place + 1
        yield from self._end()
        self.begins = True
        yield None

    def _redirected(self) -> Iterator[str]:
        """Pass a redirection and its file over, or take a placeholder as a word."""
        placeholder = PLACEHOLDER.match(self.text, self.place)
        if placeholder:
            self.place = placeholder.end()
            self._add(placeholder[0])
            return
        match = REDIRECTED.match(self.text, self.place)
        self.place = match.end() if match else self.place + 1
        yield from self._end()

    def _quoted(self, letter: str) -> str:
        """Take a letter, an escape or a quoted piece."""
        if letter == "'":
            return self._until("'")
        if letter == '"':
            return self._double()
        if letter == "\\" and not self.windows:
            self.place += 1
            if self.place == len(self.text):
                raise OpenQuoteError("no escaped character")
            letter = self.text[self.place]
        self.place += 1
        return letter

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.place + 1)
        if end < 0:
            raise OpenQuoteError("no closing quotation")
        found = self.text[self.place + 1 : end]
        self.place = end + 1
        return found

    def _double(self) -> str:
        """Take what stands in double quotes, with its variables put in."""
        found: list[str] = []
        self.place += 1
        while self.place < len(self.text):
            letter = self.text[self.place]
            if letter == '"':
                self.place += 1
                return "".join(found)
            if letter == "\\" and self.text[self.place + 1 : self.place + 2] in (
                '"',
                "\\",
                "$",
                "`",
            ):
                found.append(self.text[self.place + 1])
                self.place += 2
            elif letter == "$" and (match := EXPANSION.match(self.text, self.place)):
                found.append(self._value(match))
                self.place = match.end()
            else:
                found.append(letter)
                self.place += 1
        raise OpenQuoteError("no closing quotation")

    def _add(self, piece: str) -> None:
        self.word = (self.word or "") + piece

    def _expanded(self, value: str) -> Iterator[str]:
        """Put a value in, which falls apart at its spaces unless it is what was written."""
        if value.startswith("$"):
            self._add(value)
            return
        parts = value.split()
        for part in parts[:-1]:
            self._add(part)
            yield from self._end()
        if parts:
            self._add(parts[-1])

    def _value(self, match: re.Match[str]) -> str:
        """A variable's value, a sum's, or the text itself where neither is known."""
        if match["sum"] is not None:
            text = re.sub(
                r"\$?\b([A-Za-z_]\w*)",
                lambda name: self.variables.get(name[1], name[0]),
                match["sum"],
            )
            found = worked_out(text)
            return match[0] if found is None else str(found)
        name = match["name"] or match["braced"]
        if name in self.variables:
            return self.variables[name]
        return match["default"] if match["default"] else match[0]
