"""The shapes by which a credential is known wherever it stands: one row for each kind, with who documents it. Pure.

`detect-secrets` and `gitleaks` are the two collections that the field uses (github.com/Yelp/detect-secrets, its plugins;
github.com/gitleaks/gitleaks, config/gitleaks.toml); the classes are theirs, the patterns are written here, looser at the
end of a token than theirs: a notification loses nothing by a mask that is a little too long.
"""

import re
from typing import Final, NamedTuple


class Shape(NamedTuple):
    """One kind of credential. What a group `kept...` matched stays before the mask."""

    name: str
    source: str
    pattern: str


_HEX: Final = "[0-9a-fA-F]"

SHAPES: Final[tuple[Shape, ...]] = (
    Shape(
        "private key",
        "detect-secrets private_key; RFC 7468",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*-----|\Z)",
    ),
    Shape(
        "end of a private key",
        "the same, of a text that was cut",
        r"\A(?s:(?!.*?-----BEGIN)).{16,}?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    ),
    Shape("PuTTY key", "gitleaks private-key", r"(?P<kept0>Private-Lines: ?)\d(?s:.*)"),
    Shape("JSON web token", "detect-secrets jwt; RFC 7519", r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){0,3}"),
    Shape(
        "AWS access key",
        "detect-secrets aws",
        r"(?<![A-Z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}",
    ),
    Shape("AWS Bedrock", "gitleaks aws-amazon-bedrock-api-key-long-lived", r"ABSK[A-Za-z0-9+/]{32,}=*"),
    Shape("Azure client secret", "gitleaks azure-ad-client-secret", r"(?<![\w~.])[\w~.]{3}\dQ~[\w~.-]{31,}"),
    Shape(
        "Azure storage",
        "detect-secrets azure_storage_key",
        r"(?P<kept1>(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^;\s\"']{8,}",
    ),
    Shape(
        "Google",
        "gitleaks gcp-api-key; developers.google.com",
        r"AIza[\w-]{16,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{16,}|(?<![\w/])1//0[\w-]{24,}",
    ),
    Shape(
        "Alibaba, Tencent, Yandex",
        "gitleaks alibaba-access-key-id, yandex-api-key",
        r"(?<![A-Za-z0-9])(?:LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}|AQVN[\w-]{32,}|t1\.[\w-]+={0,2}\.[\w-]{60,}=*)",
    ),
    Shape("GitHub", "detect-secrets github_token", r"gh[oprsu]_[A-Za-z0-9]{8,}|github_pat_\w{8,}"),
    Shape(
        "GitLab",
        "detect-secrets gitlab_token",
        r"(?:glpat|glptt|gldt|glrtr?|glcbt|glft|glsoat|glimt|glagent|gloas|glffct|glwt)-[\w.-]{8,}|GR1348941[\w-]{16,}",
    ),
    Shape("Slack", "detect-secrets slack", r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-\d-[\w-]{8,}"),
    Shape(
        "webhook",
        "detect-secrets slack; gitleaks slack-webhook-url, microsoft-teams-webhook",
        r"(?P<kept2>hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/"
        r"|\.webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/)[\w@/+-]{8,}",
    ),
    Shape("Discord", "detect-secrets discord", r"(?<![\w-])[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"),
    Shape("Telegram", "detect-secrets telegram_token", r"(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"),
    Shape(
        "OpenAI, Anthropic, OpenRouter, DeepSeek",
        "detect-secrets openai; gitleaks anthropic-api-key",
        r"(?<![A-Za-z])sk-(?=[\w-]*\d)[\w-]{12,}|(?<![A-Za-z])sk-(?=[A-Za-z]*[A-Z])[A-Za-z]{20,}",
    ),
    Shape(
        "other models",
        "gitleaks huggingface-access-token, perplexity-api-key; the makers' documents",
        r"(?<![A-Za-z])(?:(?:hf_|api_org_|gsk_|r8_|csk-|pplx-|nvapi-|xai-|jina_|tgp_v1_|fw_)[A-Za-z0-9]{16,}"
        r"|lsv2_[a-z]{2}_[\w]{16,}|(?:tvly|fc|voyage|pa)-(?=[\w-]*\d)[\w-]{20,})",
    ),
    Shape(
        "Stripe",
        "detect-secrets stripe",
        r"(?<![A-Za-z])(?:sk|rk|pk)_(?:live|test|prod)_\w{8,}|whsec_[\w+/=-]{8,}",
    ),
    Shape("secret key by prefix", "ElevenLabs, Clerk", r"(?<![A-Za-z])sk_(?=\w*\d)[A-Za-z0-9]{24,}"),
    Shape(
        "Square, PayPal",
        "detect-secrets square_oauth; gitleaks square-access-token",
        r"sq0[a-z]{3}-[\w-]{20,}|(?<![A-Za-z0-9])EAAA[\w-]{56,}|access_token\$(?:production|sandbox)\$\w{8,}\$\w{16,}",
    ),
    Shape("Shopify", "gitleaks shopify-access-token", rf"shp(?:at|ca|pa|ss)_{_HEX}{{16,}}"),
    Shape("Twilio", "detect-secrets twilio", rf"(?<![A-Za-z0-9])(?:SK|AC){_HEX}{{32}}(?![A-Za-z0-9])"),
    Shape(
        "SendGrid, Brevo, Mailgun, Mailchimp",
        "detect-secrets sendgrid, mailchimp; gitleaks mailgun-private-api-token",
        rf"SG\.[\w-]{{16,}}\.[\w-]{{16,}}|x(?:keysib|smtpsib)-[\w-]{{24,}}|(?<![a-z])(?:pub)?key-{_HEX}{{32}}"
        rf"|(?<!{_HEX}){_HEX}{{32}}-us\d{{1,2}}(?!\d)",
    ),
    Shape(
        "packages",
        "detect-secrets npm, pypi_token; gitleaks rubygems-api-token, clojars-api-token",
        rf"npm_(?=\w*\d)[A-Za-z0-9]{{30,}}|pypi-AgE[\w-]{{8,}}|rubygems_{_HEX}{{20,}}|(?<!\w)cio[A-Za-z0-9]{{32}}(?!\w)"
        r"|(?<!\w)oy2[a-z0-9]{43}(?!\w)|CLOJARS_\w{20,}|dckr_[a-z]{3}_[\w-]{16,}|AKCp[A-Za-z0-9]{20,}|cmVmd[A-Za-z0-9]{40,}",
    ),
    Shape(
        "hosting",
        "gitleaks digitalocean-access-token, heroku-api-key-v2, flyio-access-token, planetscale-api-token",
        rf"do[oprt]_v1_{_HEX}{{16,}}|HRKU-[\w-]{{20,}}|(?<!\w)fo1_[\w-]{{40,}}|(?<!\w)fm[12][ar]?_[\w+/=,-]{{32,}}"
        rf"|nf[pcoub]_\w{{30,}}|sbp_{_HEX}{{30,}}|sb_secret_[\w-]{{16,}}|pscale_[a-z]+_[\w.=-]{{16,}}|vercel_blob_rw_\w{{16,}}"
        rf"|napi_[a-z0-9]{{30,}}|v1\.0-{_HEX}{{24}}-{_HEX}{{32,}}|tskey-[a-z]+-[\w-]{{10,}}|(?<!\w)dapi{_HEX}{{32}}(?:-\d)?",
    ),
    Shape(
        "vaults",
        "detect-secrets hashicorp_vault_token; gitleaks vault-service-token, doppler-api-token, age-secret-key",
        r"(?<!\w)hv[sbr]\.[\w-]{16,}|(?<![\w./])s\.(?=[A-Za-z]*\d)[A-Za-z0-9]{24}(?!\w)|\w{14}\.atlasv1\.[\w=-]{30,}"
        r"|(?<!\w)dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{30,}|ops_eyJ[\w+/=-]{32,}"
        rf"|(?<!\w)A3-[A-Z0-9]{{6}}-[A-Z0-9-]{{20,}}|(?<!\w)pul-{_HEX}{{30,}}",
    ),
    Shape(
        "watching",
        "gitleaks grafana-service-account-token, sentry-org-token, new-relic-user-api-key, dynatrace-api-token",
        rf"glsa_\w{{24,}}|glc_[\w+/=]{{24,}}|sntry[su]_[\w+/=-]{{24,}}|NR(?:AK|JS|II|RA|IQ)-[\w-]{{12,}}|dt0[a-z]\d\d\.[A-Z0-9]{{16,}}\.[A-Z0-9]{{32,}}"
        rf"|(?<![a-z])(?:sdk|api|mob)-{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}|phx_[A-Za-z0-9]{{24,}}|sgp_\w{{30,}}|sq[apu]_{_HEX}{{40}}",
    ),
    Shape(
        "offices",
        "gitleaks atlassian-api-token, linear-api-key, notion-api-token, airtable-personnal-access-token",
        rf"(?<![A-Z])AT(?:ATT3|BB|CTT3)[\w=-]{{16,}}|lin_(?:api|oauth)_\w{{20,}}|ntn_\w{{30,}}|secret_(?=\w*\d)[A-Za-z0-9]{{40,}}"
        rf"|(?<!\w)pat[A-Za-z0-9]{{14}}\.{_HEX}{{40,}}|fig[dour]{{1,2}}_[\w-]{{20,}}|PMAK-[\w-]{{24,}}|tfp_[\w.=-]{{30,}}|rdme_[a-z0-9]{{40,}}"
        rf"|CFPAT-[\w-]{{30,}}|pat-(?:na|eu)\d-[0-9a-fA-F-]{{30,}}|(?<![\w.])sl\.[\w-]{{40,}}|EAA[A-Za-z0-9]{{60,}}|(?<!\w)A{{8,40}}(?!A)(?=[\w%-]*[a-z])(?=[\w%-]*\d)[\w%-]{{60,}}"
        rf"|duffel_(?:test|live)_[\w-]{{20,}}|bkua_{_HEX}{{30,}}|CCIPAT_\w{{20,}}|pnu_[a-z0-9]{{30,}}|aio_[A-Za-z0-9]{{28}}|shippo_(?:live|test)_{_HEX}{{30,}}"
        rf"|EZ[AT]K[A-Za-z0-9]{{40,}}|ico-[A-Za-z0-9]{{32}}",
    ),
    Shape(
        "more makers",
        "gitleaks openshift-user-token, octopus-deploy-api-key, plaid-api-token, lob-api-key, settlemint-*, harness-api-key and others",
        rf"sha256~[\w-]{{40,}}|(?<![A-Z])API-[A-Z0-9]{{26}}(?!\w)|access-(?:sandbox|development|production)-{_HEX}{{8}}-[0-9a-fA-F-]{{27,}}"
        rf"|(?<![A-Za-z])(?:live|test)_(?:pub_)?{_HEX}{{31,}}|sm_[aps]at_[A-Za-z0-9]{{16}}|(?<!\w)[ps]at\.[\w-]{{22}}\.\w{{24}}\.[A-Za-z0-9]{{20}}"
        rf"|FLWSECK(?:_TEST)?-[\w-]{{12,}}|fio-u-[\w=-]{{32,}}|s-s4t2(?:ud|af)-{_HEX}{{32,}}|tk-us-[\w-]{{32,}}|dnkey-[\w-]{{20,}}"
        rf"|(?<!\w)4b1d[A-Za-z0-9]{{38}}(?!\w)|\w{{6}}_\w{{29}}_mmk|(?<!\w)[ps]k\.eyJ[\w.-]{{20,}}|endr\+[\w-]{{16,}}|p8e-[a-z0-9]{{32}}"
        r"|(?<!\w)ZXlK[\w/+-]{28,}={0,2}|live_[\w-]{40,}|sk_(?:prod|stage)_\w{16,}|shps[as]_\w{16,}|xkeysib-\w{16,}",
    ),
    Shape(
        "password in a URL",
        "detect-secrets basic_auth; RFC 3986, 3.2.1",
        r"(?P<kept3>://)(?:[^\s/@:'\"]*:(?!PASS(?:WORD)?@|\*|\d{1,5}(?:[/?#]|\s|$)|//|\$)[^\s'\"]+|(?=[^\s/@:]*\d)[^\s/@:'\"]{12,}|[^\s/@:'\"]{20,})"
        r"(?=@[\w\[$])",
    ),
    Shape(
        "password in a connection string",
        "Oracle, JDBC thin",
        r"(?P<kept4>jdbc:oracle:thin:)[^\s/@]+/[^\s@]+(?=@)",
    ),
)

ANY_SHAPE: Final = re.compile("|".join(f"(?:{shape.pattern})" for shape in SHAPES))
