"""The one exception a user can cause."""


class FusionError(Exception):
    """A mistake in the user's input: the message names the place and the fix, in one sentence."""


class NotANumberError(FusionError):
    """Training diverged."""
