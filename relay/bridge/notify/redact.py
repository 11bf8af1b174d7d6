"""Texts without what must not leave the machine: credentials everywhere, and provider's addresses in errors. Pure.

A phone's lock screen is public and the relay may be somebody else's, so better one word too many is masked than one too few.
"""

import re

MASK = "***"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", re.DOTALL), MASK),
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{MASK}@"),  # user and password in a URL
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MASK),  # JSON web tokens
    (re.compile(r"\b(?:sk|pk|rk|gh[oprsu]|github_pat|glpat|xox[abeprs]|hf|npm|pypi)[-_][\w-]{8,}"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA|AIza)[\w-]{12,}"), MASK),
    (
        re.compile(
            r"(?i)([\w-]*(?:api[-_ ]?key|token|secret|passw(?:or)?d|authorization|credential)\b[\"']?\s*[:=]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}]+)"
        ),
        rf"\1{MASK}",
    ),
    # Anything as long and as mixed as a key; a commit's hash and a path are not mixed like that.
    (re.compile(r"\b(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{32,}"), MASK),
)
"""The formats by which GitHub, GitLab, Slack, OpenAI, Anthropic, Stripe, AWS, Google, npm, PyPI and Hugging Face name
their keys, as their documents give them; the rest is assumed."""

_ADDRESSES = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://\S+"  # URLs
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|(?<=ENOTFOUND )\S+|\blocalhost:\d+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}:\d+\b"
)
ADDRESS_MASK = "[address]"

MAX_REDACTED = 4000
"""Characters of a text that are looked at; a notification shows fewer than 200."""


def redact(text: str) -> str:
    """The beginning of `text` with credentials masked."""
    text = text[:MAX_REDACTED]
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text


def redact_addresses(text: str) -> str:
    """`redact`, and without URLs and hosts: an error must not tell where a provider lives."""
    return _ADDRESSES.sub(ADDRESS_MASK, redact(text))
