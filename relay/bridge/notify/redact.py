"""Credentials in texts become "***": by their own shape, by the name before them, or by the command that takes them. Pure.

A phone's lock screen is public and the relay may be somebody else's, so better one word too many is masked than one too
few. But a text that speaks of tokens is no token: names alone, references as in `$TOKEN`, and words such as "required" stay.
"""

import base64
import binascii
import math
import re
from collections import Counter
from functools import lru_cache
from typing import Final

from relay.bridge.notify.credentials import ANY_SHAPE
from relay.bridge.notify.secret_names import MASK, WORD, is_reference, mask_named
from relay.text import CUT_MARK, cut_mark

MAX_REDACTED: Final = 4000
"""So many characters at the beginning and at the end of a text are read; nothing that a push can carry is longer."""

EDGE: Final = 512
"""So many of them are left out where the text was parted if no space is nearer: half a credential has no shape."""

# In headers, addresses and sentences: gitleaks' curl-auth-header; RFC 6750, RFC 7617, RFC 6265.

_COOKIE: Final = re.compile(
    r"(?i)(?P<kept>\b(?:set-)?cookie[\"']?\s*:\s*[\"']?|\bcurl\b[^|;&]{0,400}?\s(?:-b|--cookie)(?:\s+|=)[\"']?)(?=[^\s;\"']+=)[^\"'\n]+"
)

_SCHEME: Final = re.compile(
    r"(?i)(?P<kept>authorization[\"']?\s*[:=](?:\\?\s)*[\"']?)(?:basic|bearer|token|digest|negotiate|apikey|key|aws4-hmac-sha256|dpop)(?:\\?\s)+(?!\$)[^\s\"']+"
    r"(?:\s*,?\s*(?:credential|signature|signedheaders|response|nonce)=[^\s\"']+)*"
)

_BEARER: Final = re.compile(
    r"(?i)(?P<kept>\bbearer\s+)(?=[\w.~+/=-]*\d|[\w.~+/=-]{20})(?!authenti|authori)[\w.~+/=-]{6,}"
)

_BASIC: Final = re.compile(r"(?i)(?P<kept>\bbasic\s+)(?P<basic>[A-Za-z0-9+/]{6,}={0,2})(?![\w+/=])")

_QUERY: Final = re.compile(
    r"(?i)(?P<kept>[?&#;](?:[\w-]*(?:token|key|secret|password|passwd|signature|credential|apikey)|auth|sig|pwd|code|x-amz-[\w-]+)=)(?!\$)[^\s&\"'#]{6,}"
)

_PROSE: Final = re.compile(
    r"(?i)(?P<kept>\b(?:pass(?:word|phrase|code)|pin|token|api key|secret(?: key)?)\s+(?:is|was|to|ist)\s+(?!\{)[\"'`“]?)(?=[^\s\"'`”]*(?:\d[^\s\"'`”]*[A-Za-z]|[A-Za-z][^\s\"'`”]*\d))[^\s\"'`”,]{4,}"
)

# By the command that takes it: each tool's manual.

_COMMANDS: Final = tuple(
    re.compile(rf"(?i)(?P<kept>{before})(?P<value>{value})")
    for before, value in (
        (r"\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mysqlshow|mysqlsh|mariadb(?:-\w+)?|mycli)\b[^|;&\n⏎]{0,400}?(?-i:\s-p)", rf"(?![\s-]){WORD}"),
        (r"\bsshpass\s+(?:-v\s+)?(?-i:-p)\s*", WORD),
        (r"\b(?:docker|podman|nerdctl|buildah|skopeo|oras|helm registry|crane auth|az|oc|mongo(?:sh|dump|restore|export|import)?|cf|argocd|nmcli)\b[^|;&\n⏎]{0,400}?\blogin\b[^|;&\n⏎]{0,400}?\s(?-i:-p)(?:\s+|=)", rf"(?!-){WORD}"),
        (r"\bmongo(?:sh|dump|restore|export|import)?\b[^|;&\n⏎]{0,400}?\s(?-i:-p)(?:\s+|=)", rf"(?!-){WORD}"),
        (r"\b(?:redis-cli|valkey-cli)\b[^|;&\n⏎]{0,400}?\s(?-i:-a)\s+", rf"(?!-){WORD}"),
        (r"\bldap\w+\b[^|;&\n⏎]{0,400}?\s(?-i:-w)\s+", rf"(?!-){WORD}"),
        (r"\b(?:sqlcmd|bcp|zip|unzip|isql)\b[^|;&\n⏎]{0,400}?\s(?-i:-P)\s*", rf"(?!-){WORD}"),
        (r"\b(?:7z[ar]?|rar|unrar)\b[^|;&\n⏎]{0,400}?\s(?-i:-p)", rf"(?![\s-]){WORD}"),
        (r"\bhtpasswd\s+(?:-\w+\s+)*(?-i:-\w*b\w*)\s+(?:-\w+\s+)*\S+\s+\S+\s+", WORD),
        (r"\b(?:curl|wget|https?|xh)\b[^|;&\n⏎]{0,400}?\s(?:(?-i:-u|-U|-a)|--user|--proxy-user|--auth)(?:\s+|=|(?-i:(?<=-u)))[\"']?[^\s:\"']+:", r"(?!\$)[^\s\"']+"),
        (r"\bsmbclient\b[^|;&\n⏎]{0,400}?\s(?-i:-U)\s*[\"']?[^\s%\"']+%", r"[^\s\"']+"),
        (r"\blftp\b[^|;&\n⏎]{0,400}?\s(?-i:-u)\s*[^\s,]+,", WORD),
        (r"\bsqlplus\s+(?:-\w+\s+)*[\w.]+/", r"[^\s@\"']+"),
        (r"\bopenssl\b[^|;&\n⏎]{0,400}?\s-(?:pass|passin|passout)\s+[\"']?pass:", r"[^\s\"']+"),
        (r"\bopenssl\s+enc\b[^|;&\n⏎]{0,400}?\s(?-i:-k)\s+", rf"(?!-){WORD}"),
        (r"\bssh-keygen\b[^|;&\n⏎]{0,400}?\s(?-i:-N|-P)\s+", rf"(?!\"\"|'')(?!-){WORD}"),
        (r"\brabbitmqctl\s+(?:add_user|change_password)\s+\S+\s+", WORD),
        (r"\bnet\s+user\s+\S+\s+(?!/)", WORD),
        (r"\bcmdkey\b[^|;&\n⏎]{0,400}?/pass:", WORD),
        (r"\bvault\s+login\s+(?:-[\w=-]+\s+)*(?!-)", r"(?!\w+=)" + WORD),
        (r"\b(?:npm|yarn|pnpm)\s+config\s+set\s+\S*(?:_auth\w*|token)[\s=]+", WORD),
        (r"\baws\s+configure\s+set\s+\S*(?:secret|token|key)\S*\s+", WORD),
        (r"\bgit\s+config\b[^|;&\n⏎]{0,400}?\s\S*(?:token|password|extraheader)\s+", WORD),
        (r"\bgh\s+secret\s+set\b[^|;&\n⏎]{0,400}?\s(?:(?-i:-b)|--body)[\s=]+", WORD),
        (r"\bmachine\s+\S+\s+login\s+\S+\s+password\s+", WORD),
        (r"\b(?:identified\s+(?:with\s+\w+\s+)?by|with\s+password|encrypted\s+password|\bpassword)\s+(?=['\"])", WORD),
        (r"\bset\s+password\b[^;]*?\(\s*", r"'[^']*'"),
        (r"\brequirepass\s+", WORD),
        (r"\bmc\s+alias\s+set\s+\S+\s+\S+\s+\S+\s+", WORD),
        (r"\b(?:echo|printf)\s+(?:-\w+\s+)*", rf"{WORD}(?=\s*\|[^|;&]{{0,400}}(?:--password-stdin|--with-token|\bsudo\s+(?:-\w+\s+)*-S|\bchpasswd|\bpasswd\b|\bpass(?:in)?\s+stdin))"),
        (r"(?:--password-stdin|--with-token|\bsudo\s+-S\b|\bchpasswd|\bpasswd\b)[^|;&]{0,400}?<<<\s*", WORD),
    )
)  # fmt: skip

# By chance: nobody types like this. Git's hashes and UUIDs have no capitals, a path and a class name are no mix of digits.

_LONG: Final = re.compile(r"(?<![\w/+.=-])(?P<long>[\w+/-]{32,}={0,2})(?![\w/+=-])")

_AWS_SECRET: Final = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=.])")

_KEY: Final = re.compile(
    r"(?i)(?P<kept>key[\"']?\s*[:=]\s*[\"']?)(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])[\w+/=-]{20,}"
)

_MAKER: Final = re.compile(
    r"(?i)(?P<kept>\b[\w.-]*(?:adafruit|adobe|airtable|algolia|alibaba|asana|atlassian|beamer|bitbucket|bittrex|cloudflare|codecov|cohere|coinbase"
    r"|confluent|contentful|datadog|droneci|dropbox|etsy|facebook|fastly|finicity|finnhub|flickr|freshbooks|gitter|intercom|jfrog|jira|kraken|kucoin"
    r"|launchdarkly|linkedin|looker|mailgun|mapbox|mattermost|messagebird|meraki|netlify|nytimes|okta|plaid|rapidapi|sendbird|snyk|softlayer|squarespace"
    r"|sumologic|travis|trello|twilio|twitch|twitter|typeform|zendesk)[\w .-]{0,20}[\"']?\s*(?:=>|=|:)\s*[\"']?)"
    r"(?=[a-z0-9-]*\d)(?=[a-z0-9-]*[a-z])(?:[a-z0-9]{16,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![\w/.])"
)
"""The makers whose keys have no shape of their own: their name stands before them (gitleaks)."""

_INTEGRITY: Final = re.compile(r"(?i)(?:sha\d{1,3}|md5|blake\w*|h1)[-:=]$|\b(?:ssh|ecdsa|sk-ssh)-\S+ $")

_PATH: Final = re.compile(r"(?:~|\.{1,2})?(?:/[\w.-]+)+/?")


def redact(text: str) -> str:
    """`text` with credentials masked; of a very long one only the beginning and the end."""
    return _redacted(_bounded(text))


@lru_cache(maxsize=512)  # a card's text is read again with every event of its session
def _redacted(text: str) -> str:
    text = ANY_SHAPE.sub(_mask, text)
    text = _SCHEME.sub(rf"\g<kept>{MASK} {MASK}", text)
    for pattern in (_COOKIE, _BEARER, _QUERY, _PROSE, _MAKER):
        text = pattern.sub(_mask, text)
    text = _BASIC.sub(_mask_basic, text)
    for pattern in _COMMANDS:
        text = pattern.sub(_mask_value, text)
    text = mask_named(text)
    text = _KEY.sub(_mask, text)
    text = _AWS_SECRET.sub(lambda found: MASK if _is_random(found[0], 4.3) else found[0], text)
    return _LONG.sub(_mask_long, text)


def _bounded(text: str) -> str:
    """A text's beginning and end, without the word at either edge; one that was parted before is parted at the same place."""
    if len(text) <= 2 * MAX_REDACTED:
        return text
    earlier = CUT_MARK.search(text)
    before, after = (text[: earlier.start()], text[earlier.end() :]) if earlier else (text, text)
    first, last = before[:MAX_REDACTED], after[-MAX_REDACTED:]
    if len(first) < len(before):
        first = first[: max(first.rfind(" "), len(first) - EDGE)]
    if len(last) < len(after):
        last = last[last.find(" ", 0, EDGE) if " " in last[:EDGE] else EDGE :]
    known = int(earlier[1]) - len(earlier[0]) if earlier else 0
    return first + cut_mark(len(text) - len(first) - len(last) + known) + last


def _mask(found: re.Match[str]) -> str:
    return (
        "".join(text for name, text in found.groupdict().items() if text and name.startswith("kept")) + MASK
    )


def _mask_value(found: re.Match[str]) -> str:
    return found[0] if is_reference(found["value"]) else found["kept"] + MASK


def _mask_basic(found: re.Match[str]) -> str:
    try:
        decoded = base64.b64decode(found["basic"] + "=" * (-len(found["basic"]) % 4))
    except binascii.Error:
        return found[0]
    return found["kept"] + MASK if b":" in decoded and decoded.isascii() else found[0]


def _mask_long(found: re.Match[str]) -> str:
    if _INTEGRITY.search(found.string[: found.start()]) or _INTEGRITY.match(found[0][:7]):
        return found[0]
    pieces = re.split(r"/", found["long"].strip("="))
    mixed = [piece for piece in pieces if len(piece) >= 32 and _is_mixed(piece)]
    if not mixed and (found[0].startswith("0x") or any(re.fullmatch("[a-z]{4,}", piece) for piece in pieces)):
        return found[0]
    return MASK if mixed or (_is_random(found["long"], 4.6) and _is_mixed(found["long"])) else found[0]


def _is_mixed(text: str) -> bool:
    """Small letters, capitals and digits, which take turns."""
    turns = len(re.findall(r"(?<=[A-Za-z])\d|(?<=\d)[A-Za-z]", text))
    return turns >= 3 and bool(re.search("[a-z]", text)) and bool(re.search("[A-Z]", text))


def _is_random(text: str, bits: float) -> bool:
    """Small letters, capitals and digits, with so many bits of entropy in a character (Shannon)."""
    counts = Counter(text).values()
    entropy = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return entropy >= bits and all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", r"\d"))


_ADDRESSES: Final = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://\S+"  # URLs
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|(?<=ENOTFOUND )\S+|\blocalhost:\d+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}:\d+\b"
)

ADDRESS_MASK: Final = "[address]"


def redact_addresses(text: str) -> str:
    """`redact`, and without URLs and hosts: an error must not say where a provider lives."""
    return _ADDRESSES.sub(ADDRESS_MASK, redact(text))
