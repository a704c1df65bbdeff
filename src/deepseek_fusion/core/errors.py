"""The one exception a user can cause."""


class FusionError(Exception):
    """A mistake in the user's input: the message names the place and the fix, in one sentence."""


class NotANumberError(FusionError):
    """Training diverged."""


def missing(package: str, purpose: str, extra: str) -> FusionError:
    """What to say when a package that one of the extras installs is not there."""
    return FusionError(f"{purpose} needs {package}; install it with: pip install 'deepseek-fusion[{extra}]'")
