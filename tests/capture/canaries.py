"""Secrets that nobody has, of every known format; each is put together here, so that none stands in a file."""


def made_of(*parts: str) -> str:
    """Join a secret from parts, so that it stands in no file."""
    return "".join(parts)


HEX = "9f86d081884c7d659a2feaa0c55ad015"
MIXED = "Zk3Vt9QmX2bLr7WcYh5NpJs8DfGa4TuE"
PEM = "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi\nhkZ1vPqLr0WcYh5NpJs8DfGa4TuE"
CLAIMS = "eyJzdWIiOiIxMjM0NSIsIm5hbWUiOiJhZGEifQ"
KNOWN = {
    "aws": made_of("AK", "IA", "Q3EGRXWQ7ZKH2YVB"),
    "azure": made_of("AccountKey", "=", MIXED, MIXED, MIXED[:22], "=="),
    "anthropic": made_of("sk", "-ant-api03-", MIXED, "-_", MIXED),
    "openai": made_of("sk", "-proj-", MIXED, "_", MIXED),
    "github": made_of("gh", "p_", MIXED, "a1B2"),
    "gitlab": made_of("gl", "pat-", MIXED[:20]),
    "huggingface": made_of("h", "f_", MIXED, "aB"),
    "google": made_of("AI", "za", MIXED, "a_1"),
    "slack": made_of("xo", "xb-", "213456789012-213456789012-", MIXED[:24]),
    "stripe": made_of("sk", "_live_", MIXED, MIXED, MIXED),
    "pypi": made_of("py", "pi-AgEIcHlwaS5vcmc", MIXED, "-", MIXED, "_", MIXED),
    "npm": made_of("np", "m_", MIXED, "a1B2"),
    "jwt": made_of("ey", "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", CLAIMS, ".", MIXED),
    "sendgrid": made_of("S", "G.", MIXED[:22], ".", MIXED, "a-2_5678901"),
    "telegram": made_of("213456789", ":AA", MIXED, "a"),
    "discord": made_of("MT", "k4NjIyNDgzNDcxOTI1MjQ4", ".Cl2FMQ.", MIXED[:27]),
    "twilio": made_of("S", "K", HEX),
    "square": made_of("sq", "0csp-", MIXED, "a-2_5678901"),
    "mailchimp": made_of(HEX, "-u", "s12"),
    "databricks": made_of("da", "pi", HEX),
    "groq": made_of("gs", "k_", MIXED, MIXED[:20]),
    "nvidia": made_of("nv", "api-", MIXED, MIXED),
    "key": made_of("-----BEGIN RSA PRIV", "ATE KEY-----\n", PEM, "\n-----END RSA PRIV", "ATE KEY-----"),
}
