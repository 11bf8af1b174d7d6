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
from relay.text import CUT_MARK, cut_mark

MASK: Final = "***"

MAX_REDACTED: Final = 4000
"""So many characters at the beginning and at the end of a text are read; nothing that a push can carry is longer."""
EDGE: Final = 512
"""So many of them are left out where the text was parted if no space is nearer: half a credential has no shape."""

_QUOTED: Final = r"\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'[^']*(?:'|\Z)|`[^`]*(?:`|\Z)"
_VALUE: Final = rf"(?:[a-z]{{1,2}}?(?=[\"'])|\$(?='))?(?:{_QUOTED})|[^\s\"'&,;)}}\]|<>`⏎]+"
_WORD: Final = r"(?:\"(?:[^\"\\]|\\.)*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s\"'|;&<>`⏎]+)"
"""One argument of a command."""

# By the name before it. Classes: detect-secrets' keyword (its denylist), gitleaks' generic-api-key and curl-auth-header.

_ANYWHERE: Final = (
    r"pass[-_ ]?(?:word|wd|phrase|code)|passwort|kennwort|contrase(?:ñ|n)a|mot[-_]de[-_]passe|senha|secret|token|credentials?|authorization"
    r"|(?:api|access|secret|private|signing|encryption|master|service|account|storage|auth|client|session|deploy|license|webhook|db|database|shared|ssh|hmac|jwt)[-_ ]?key"
    r"|secret[-_]?access[-_]?key|secret[-_]?key[-_]?base|connection[-_]?string|access[-_]?key[-_]?id"
)
_ALONE: Final = r"pass|pwd|passwd|pw|psk|pin|otp|dsn|salt|auth|cookie|jsessionid|phpsessid|session|sessionid|sid|csrf|xsrf|jwt|bearer|pat"
"""These are names of secrets only as a word of their own."""
_NAME: Final = (
    rf"[\w.-]*?(?:{_ANYWHERE}|(?:(?<![A-Za-z])|(?<=[a-z])(?=(?-i:[A-Z])))(?:{_ALONE}))"
    r"(?:[-_]?(?:\d{1,2}|prod|production|dev|staging|test|live|old|new|value|base64|b64))?"
)
_EQUALS: Final = "(?::=|=>|={1,3})"
"""With spaces on both sides or on none: `TOKEN= npm test` runs npm without a token."""
_NAMED: Final = re.compile(
    rf"(?i)(?<![\w-])(?P<name>-{{0,2}}{_NAME})(?P<sep>[\"'`\]]*(?:[ \t]+{_EQUALS}[ \t]+|{_EQUALS}|[ \t]*:(?![:=])[ \t]*))(?P<value>{_VALUE})"
)
_NAMED_IN_QUOTES: Final = re.compile(
    rf"(?i)(?P<kept>(?P<quote>[\"'])(?P<name>{_NAME})=)(?P<value>[^\s\"'$<]+[ \t][^\"']*)(?P<end>(?P=quote))"
)
"""A value with spaces inside of an argument: 'client_secret=two words'."""
_FLAG: Final = re.compile(
    rf"(?i)(?<![\w-])(?P<name>--?(?:[a-z-]*?(?:{_ANYWHERE})|pass|pwd|pw|storepass|keypass))(?P<sep>\s+)(?P<value>(?!-){_WORD})"
)
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
        (r"\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mysqlshow|mysqlsh|mariadb(?:-\w+)?|mycli)\b[^|;&\n⏎]{0,400}?(?-i:\s-p)", rf"(?![\s-]){_WORD}"),
        (r"\bsshpass\s+(?:-v\s+)?(?-i:-p)\s*", _WORD),
        (r"\b(?:docker|podman|nerdctl|buildah|skopeo|oras|helm registry|crane auth|az|oc|mongo(?:sh|dump|restore|export|import)?|cf|argocd|nmcli)\b[^|;&\n⏎]{0,400}?\blogin\b[^|;&\n⏎]{0,400}?\s(?-i:-p)(?:\s+|=)", rf"(?!-){_WORD}"),
        (r"\bmongo(?:sh|dump|restore|export|import)?\b[^|;&\n⏎]{0,400}?\s(?-i:-p)(?:\s+|=)", rf"(?!-){_WORD}"),
        (r"\b(?:redis-cli|valkey-cli)\b[^|;&\n⏎]{0,400}?\s(?-i:-a)\s+", rf"(?!-){_WORD}"),
        (r"\bldap\w+\b[^|;&\n⏎]{0,400}?\s(?-i:-w)\s+", rf"(?!-){_WORD}"),
        (r"\b(?:sqlcmd|bcp|zip|unzip|isql)\b[^|;&\n⏎]{0,400}?\s(?-i:-P)\s*", rf"(?!-){_WORD}"),
        (r"\b(?:7z[ar]?|rar|unrar)\b[^|;&\n⏎]{0,400}?\s(?-i:-p)", rf"(?![\s-]){_WORD}"),
        (r"\bhtpasswd\s+(?:-\w+\s+)*(?-i:-\w*b\w*)\s+(?:-\w+\s+)*\S+\s+\S+\s+", _WORD),
        (r"\b(?:curl|wget|https?|xh)\b[^|;&\n⏎]{0,400}?\s(?:(?-i:-u|-U|-a)|--user|--proxy-user|--auth)(?:\s+|=|(?-i:(?<=-u)))[\"']?[^\s:\"']+:", r"(?!\$)[^\s\"']+"),
        (r"\bsmbclient\b[^|;&\n⏎]{0,400}?\s(?-i:-U)\s*[\"']?[^\s%\"']+%", r"[^\s\"']+"),
        (r"\blftp\b[^|;&\n⏎]{0,400}?\s(?-i:-u)\s*[^\s,]+,", _WORD),
        (r"\bsqlplus\s+(?:-\w+\s+)*[\w.]+/", r"[^\s@\"']+"),
        (r"\bopenssl\b[^|;&\n⏎]{0,400}?\s-(?:pass|passin|passout)\s+[\"']?pass:", r"[^\s\"']+"),
        (r"\bopenssl\s+enc\b[^|;&\n⏎]{0,400}?\s(?-i:-k)\s+", rf"(?!-){_WORD}"),
        (r"\bssh-keygen\b[^|;&\n⏎]{0,400}?\s(?-i:-N|-P)\s+", rf"(?!\"\"|'')(?!-){_WORD}"),
        (r"\brabbitmqctl\s+(?:add_user|change_password)\s+\S+\s+", _WORD),
        (r"\bnet\s+user\s+\S+\s+(?!/)", _WORD),
        (r"\bcmdkey\b[^|;&\n⏎]{0,400}?/pass:", _WORD),
        (r"\bvault\s+login\s+(?:-[\w=-]+\s+)*(?!-)", r"(?!\w+=)" + _WORD),
        (r"\b(?:npm|yarn|pnpm)\s+config\s+set\s+\S*(?:_auth\w*|token)[\s=]+", _WORD),
        (r"\baws\s+configure\s+set\s+\S*(?:secret|token|key)\S*\s+", _WORD),
        (r"\bgit\s+config\b[^|;&\n⏎]{0,400}?\s\S*(?:token|password|extraheader)\s+", _WORD),
        (r"\bgh\s+secret\s+set\b[^|;&\n⏎]{0,400}?\s(?:(?-i:-b)|--body)[\s=]+", _WORD),
        (r"\bmachine\s+\S+\s+login\s+\S+\s+password\s+", _WORD),
        (r"\b(?:identified\s+(?:with\s+\w+\s+)?by|with\s+password|encrypted\s+password|\bpassword)\s+(?=['\"])", _WORD),
        (r"\bset\s+password\b[^;]*?\(\s*", r"'[^']*'"),
        (r"\brequirepass\s+", _WORD),
        (r"\bmc\s+alias\s+set\s+\S+\s+\S+\s+\S+\s+", _WORD),
        (r"\b(?:echo|printf)\s+(?:-\w+\s+)*", rf"{_WORD}(?=\s*\|[^|;&]{{0,400}}(?:--password-stdin|--with-token|\bsudo\s+(?:-\w+\s+)*-S|\bchpasswd|\bpasswd\b|\bpass(?:in)?\s+stdin))"),
        (r"(?:--password-stdin|--with-token|\bsudo\s+-S\b|\bchpasswd|\bpasswd\b)[^|;&]{0,400}?<<<\s*", _WORD),
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

_REFERENCE: Final = re.compile(
    r"""(?x) \$\w+ | \$\{ \w+ \} | \$\(.* | \$\{\{.* | \{\{.* | %\w+% | %[rsd] | <[^>]*>? | @\w+@ | \[?redacted\]?
    | \*{2,} | \.{2,} | …  | x{3,} | your[-_\w]* | env: .*
    | (?:os|self|this|cls|process|config|settings|env|request|req|args|options|opts|ctx|secrets|params|user|data|response|res|import|system|deno|bun|vars|var|local|module|app|session|z|state|props|input)\b[.\[?].*
    | [a-z_$][\w$]* (?:\.[\w$]+)* [(\[] .*
    | (?:~|\.{1,2})?(?:/[a-z0-9._-]+)+/? | [a-z]+://.* | \w+=.*""",
    re.IGNORECASE,
)
"""What stands where a secret would, and is none: variables, calls, placeholders, paths."""
_PATH: Final = re.compile(r"(?:~|\.{1,2})?(?:/[\w.-]+)+/?")

_NO_VALUES: Final = frozenset(
    [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "none",
        "null",
        "nil",
        "undefined",
        "required",
        "optional",
        "str",
        "string",
        "bytes",
        "int",
        "integer",
        "number",
        "boolean",
        "bool",
        "any",
        "void",
        "object",
        "await",
        "new",
        "async",
        "not",
        "default",
        "prompt",
        "stdin",
        "file",
        "env",
        "required",
    ]
)
"""Words that are a value nowhere, and, after a colon, those with which a sentence goes on."""
_NO_DESCRIPTIONS: Final = _NO_VALUES | frozenset(
    [
        "missing",
        "invalid",
        "expired",
        "wrong",
        "incorrect",
        "empty",
        "unset",
        "set",
        "changed",
        "reset",
        "rotated",
        "revoked",
        "valid",
        "ok",
        "text",
        "secret",
        "password",
        "token",
        "username",
        "read",
        "write",
        "inherit",
        "deprecated",
        "unknown",
        "hidden",
        "masked",
        "disabled",
        "enabled",
        "failed",
        "found",
        "unauthorized",
        "forbidden",
        "always",
        "never",
        "jwt",
        "session",
        "oauth",
        "bearer",
        "basic",
        "strict",
        "lax",
        "input",
        "hashed",
        "bcrypt",
    ]
)
_PASSWORD: Final = re.compile(r"(?i)pass|pwd|pw$|kennwort|contrase|senha|psk|pin$|otp$")


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
    text = _NAMED_IN_QUOTES.sub(_mask_quoted, text)
    for pattern in (_NAMED, _FLAG):
        text = pattern.sub(_mask_named, text)
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
    return found[0] if _is_reference(found["value"]) else found["kept"] + MASK


def _mask_quoted(found: re.Match[str]) -> str:
    first = found["value"].split()[0]
    is_code = _is_reference(first) or _is_short_word(found["name"]) or _is_code(found["name"], first, first)
    return found[0] if is_code else found["kept"] + MASK + found["end"]


def _mask_basic(found: re.Match[str]) -> str:
    try:
        decoded = base64.b64decode(found["basic"] + "=" * (-len(found["basic"]) % 4))
    except binascii.Error:
        return found[0]
    return found["kept"] + MASK if b":" in decoded and decoded.isascii() else found[0]


def _mask_named(found: re.Match[str]) -> str:
    name, sep, value = found["name"], found["sep"], found["value"]
    inner = value.strip("\"'`")
    if name.strip("-").upper() in ("PWD", "OLDPWD") or _is_reference(value) or _closes_a_quote(found):
        return found[0]
    if _is_code(name, value, inner) or (sep.isspace() and _is_prose(found, inner)):
        return found[0]
    if inner.isdigit() and len(inner) < 4:
        return found[0]
    is_secret = _assigned if "=" in sep or sep.isspace() else _described
    return name + sep + MASK if is_secret(found, inner) else found[0]


def _assigned(found: re.Match[str], value: str) -> bool:
    """name=value, or --name value."""
    if found["sep"].strip() in ("==", "==="):
        return _is_quoted(found["value"]) and _is_odd(value)
    return not _is_short_word(found["name"]) or (_is_odd(value) and len(value) >= 8)


def _is_prose(found: re.Match[str], value: str) -> bool:
    """A flag in a sentence, as in "give it by --password or a variable"."""
    goes_on = re.match(r"[ \t]+[a-z]+(?:[ \t.,]|$)", found.string[found.end() :])
    return bool(re.fullmatch(r"[a-z]{1,5}", value) and goes_on) or bool(
        re.match(r"--?(?:rotate|reset|no|show)-", found["name"])
    )


def _described(found: re.Match[str], value: str) -> bool:
    """name: value, in YAML, JSON, a header, or a sentence."""
    name = found["name"]
    if value.lower().strip(".?!:") in _NO_DESCRIPTIONS:
        return False
    if re.fullmatch(r"v?\d{1,3}(?:\.\d{1,3}){1,3}", value):
        return False
    if value.isdigit():
        return len(value) > 6 or bool(_PASSWORD.search(name))
    if _is_short_word(name):
        return len(value) >= 16 and _is_odd(value) and not value.startswith("ses_")
    if _is_odd(value):
        return len(value) >= 4
    goes_on = bool(re.match(r"[ \t]+[^\s#\"'}\]]", found.string[found.end() :]))
    if _is_quoted(found["value"]):
        return (
            '"' in found["sep"] or "'" in found["sep"] or len(value) >= (4 if _PASSWORD.search(name) else 8)
        )
    if len(value) < 4 or (goes_on and not (name.isupper() and "_" in name)):
        return False
    return _is_compound(name) or bool(_PASSWORD.search(name))


def _is_code(name: str, value: str, inner: str) -> bool:
    """An expression of a programming language: `token=request.token`, `self._key = key`, `token: ProviderToken`, `f"{token}"`."""
    if re.search(r"\{[A-Za-z_][\w.]*(?:\[[^\]]*\])?\}", inner) and not re.search(
        r"\d", re.sub(r"\{[^}]*\}", "", inner)
    ):
        return True
    if _is_quoted(value) or name.strip("-").isupper():
        return False
    own = name.rpartition(".")[2].strip("-_")
    return inner[:1] in "{[(" or bool(
        re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", inner)
        or re.fullmatch(rf"(?i)\w*?_?{re.escape(own)}|[a-z_]*_(?:{_ANYWHERE})", inner)
        or re.fullmatch(r"(?:[A-Z][a-z]+){2,}", inner)
    )


def _is_reference(value: str) -> bool:
    """A variable, a call, a placeholder, a path, or a word that is no secret."""
    inner = value.strip("\"'`")
    if not inner or inner == MASK or inner.lower().strip(".?!:") in _NO_VALUES:
        return True
    if value.startswith("'") and inner.startswith("$"):
        return bool(re.fullmatch(r"\$\{?[A-Z_]+\}?", inner))
    if not re.search(r"[^\W_]", inner):
        return True
    return bool(_REFERENCE.fullmatch(inner))


def _is_quoted(value: str) -> bool:
    return value[-1:] in ("'", '"', "`")


def _is_compound(name: str) -> bool:
    return bool(re.search(r"[a-zA-Z][_-][a-zA-Z]", name)) or name.isupper()


def _is_short_word(name: str) -> bool:
    return bool(re.fullmatch(rf"(?i)-*(?:{_ALONE})", name)) and not _PASSWORD.search(name)


def _is_odd(value: str) -> bool:
    """No word of a language: with a digit, a sign, or a capital inside."""
    return bool(re.search(r"\d|[^\w\s.,:!?'’-]|[a-z][A-Z]", value)) and not re.fullmatch(
        r"v?\d{1,3}(?:[.,/:]\d+)*%?[.,]?", value
    )


def _closes_a_quote(found: re.Match[str]) -> bool:
    """As in `grep "password=" src`: what seems to begin a value ends the text that the name stands in."""
    quote, inner = found["value"][:1], found["value"][1:2]
    if quote not in ("'", '"', "`") or quote in found["sep"]:
        return False
    line = re.split("[\n⏎]", found.string[: found.start()])[-1]
    return not inner.strip() or (inner in ")],;}" and line.count(quote) % 2 == 1)


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
