"""Errors of system calls in words."""


def in_words(error: OSError) -> str:
    """Say why a system call failed, for the middle of a sentence: `permission denied`."""
    return (error.strerror or str(error)).lower()
