"""The two ways in which work ends early without anything being wrong with the program."""

from __future__ import annotations


class InputError(Exception):
    """Bad input. The message is one sentence: what is wrong and what to do about it."""


class Cancelled(Exception):
    """The user asked to stop."""
