"""Turns a growing list of tokens into text, a few tokens at a time, without broken characters."""

from typing import Any

BROKEN = "\ufffd"


def decode(tokenizer: Any, tokens: list[int]) -> str:
    """The text of `tokens`, special tokens left out, spaces as they are."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


class TextStream:
    """The text of `tokens` so far; `read` costs only the tokens that are new since last time.

    A token may be part of a character, and how one reads may depend on the token before it; so
    the last tokens already read are decoded again beside the new ones (as vLLM does), and text
    that ends inside a character waits for its rest.
    """

    def __init__(self, tokenizer: Any, tokens: list[int]) -> None:
        self.tokens = tokens
        self._tokenizer = tokenizer
        self._text = ""
        self._start = 0
        self._end = 0

    def read(self) -> str:
        """All whole characters so far."""
        before = decode(self._tokenizer, self.tokens[self._start : self._end])
        after = decode(self._tokenizer, self.tokens[self._start :])
        if len(after) > len(before) and not after.endswith(BROKEN):
            self._text += after[len(before) :]
            self._start, self._end = self._end, len(self.tokens)
        return self._text

    def finish(self) -> str:
        """The whole text; a character that the last token cut short is left out."""
        return decode(self._tokenizer, self.tokens).rstrip(BROKEN)
