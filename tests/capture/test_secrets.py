import subprocess
import sys
from base64 import b64encode
from random import Random
from time import process_time

import pytest
from canaries import HEX, KNOWN, MIXED, PEM, made_of
from hypothesis import given
from hypothesis import strategies as st

from renex_jupyter.capture.secrets import REDACTED, is_secret_file, is_secret_name, redact, redact_argv, redact_text


def words(text: str) -> list[str]:
    return text.split()


SECRET_NAMES = words(
    """
    password PASSWORD db_password dbPassword passwd pwd DB_PWD passphrase smtp_pass pass secret client_secret
    clientSecret secretKey SECRET_KEY_BASE key api_key apikey apiKey APIKey OPENAI_API_KEY OPENAI_KEY my-key
    openai.api.key aws_access_key_id AWS_SECRET_ACCESS_KEY private_key privateKey ssh_key encryption_key token
    TOKEN hf_token HF_TOKEN hftoken access_token accessToken refresh_token api_tokens auth_tokens github_token
    bearer jwt auth basic_auth authorization Authorization credential credentials creds cookie session_cookie
    cookies session session_key session_token dsn SENTRY_DSN connection_string conn_str connStr
    AzureConnectionString rsa_private password2 api_key_1 password_hash secret_id mypassword vault_token
    max_api_key wandb_api_key x-api-key proxy_auth
    """
)

ORDINARY_NAMES = words(
    """
    max_tokens maxTokens n_tokens num_tokens max_new_tokens tokens tokenizer tokenizer_name tokenize monkey
    keyboard keyword keywords turkey author authors author_name session_id sessionId session_name n_sessions
    primary_key foreign_key sort_key label_key metric_key key_dim keys num_keys pad_token eos_token unk_token
    bos_token_id max_token token_count token_type token_embedding compass passes n_passes bypass forward_pass
    low_pass pass_rate password_file password_length auth_type auth_method secretary lr learning_rate batch_size
    epochs path user username email url host port seed model name connector connections conn_timeout privateer
    privacy cookiecutter hash sha256 id message label piano 42 _ key_value is_private random_state kernel_size
    desc dsnet
    """
)

SECRET_FILES = words(
    """
    .env .env.local conf/.env.production .envrc prod.env server.pem a/b/tls.key store.p12 id_rsa id_ed25519
    keys/id_work id_rsa.bak .netrc .pypirc .npmrc kaggle.json .kaggle/kaggle.json credentials credentials.json
    credentials.yaml Credentials.JSON vault.kdbx .aws/config home/.aws/credentials .ssh/config
    .docker/config.json .kube/config .streamlit/secrets.toml client_secret_123.json .git-credentials
    """
)

ORDINARY_FILES = words(
    """
    environment.yml .env.example .env.sample id_rsa.pub id_columns.csv id_map.py train.py data/keys.csv
    monkey.key.txt docker/config.json config.json tokenizer.json README.md env.py keyboard.py model.pt
    credential_model.ipynb secrets.py .ssh.md
    """
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_an_ordinary_name_is_no_secret(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("path", SECRET_FILES)
def test_a_file_of_secrets_is_known_by_its_path(path: str) -> None:
    assert is_secret_file(path)


@pytest.mark.parametrize("path", ORDINARY_FILES)
def test_an_ordinary_file_is_no_secret(path: str) -> None:
    assert not is_secret_file(path)


def test_secrets_are_replaced_at_any_depth_and_all_else_stays() -> None:
    config = {
        "lr": 0.1,
        "db": [{"password": "hunter2", "port": 1}, ("x", {"api_key": 5})],
        "use_auth": True,
        "token": None,
    }
    assert redact(config) == {
        "lr": 0.1,
        "db": [{"password": REDACTED, "port": 1}, ("x", {"api_key": REDACTED})],
        "use_auth": True,
        "token": None,
    }
    assert config["db"][0]["password"] == "hunter2"


def test_everything_below_a_secret_name_is_replaced() -> None:
    assert redact({"user": "a", "parts": ["b"]}, "credentials") == REDACTED
    assert redact(["hunter2"], "passwords") == REDACTED


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgres://ada:hunter2@db:5432/x", "postgres://ada:***@db:5432/x"),
        ("postgresql+psycopg2://ada:p@ss:w#rd@db/x", "postgresql+psycopg2://ada:***@db/x"),
        ("redis://:hunter2@cache", "redis://:***@cache"),
        ("see https://a:b@x.org and ftp://c:d@y.org", "see https://a:***@x.org and ftp://c:***@y.org"),
        ("https://ghp_012345678901234567890@github.com/a/b", "https://***@github.com/a/b"),
        ("https://git@github.com/a/b", "https://git@github.com/a/b"),
        ("http://host:8888/lab?token=abc123&x=1", "http://host:8888/lab?token=***&x=1"),
        ("http://host:8080/a@v1:b@c", "http://host:8080/a@v1:b@c"),
        ("mail ada@example.org: hello", "mail ada@example.org: hello"),
    ],
)
def test_a_url_loses_its_password_and_nothing_else(text: str, kept: str) -> None:
    assert redact(text, "url") == kept


def test_a_command_line_loses_the_values_of_secret_options() -> None:
    argv = [
        "train",
        "--api-key",
        "k1",
        "--token=t1",
        "DB_PASSWORD=p1",
        "--lr",
        "0.1",
        "--password",
        "--verbose",
        "token",
    ]
    assert redact_argv(argv) == [
        *("train", "--api-key", REDACTED, f"--token={REDACTED}", f"DB_PASSWORD={REDACTED}"),
        *("--lr", "0.1", "--password", "--verbose", "token"),
    ]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["password", "lr"]), inner),
)


@given(json)
def test_redacting_twice_is_redacting_once(value: object) -> None:
    assert redact(redact(value)) == redact(value)


@given(st.dictionaries(st.sampled_from(SECRET_NAMES), st.text(min_size=1).map(lambda text: f"canary{text}")))
def test_no_value_of_a_secret_name_survives(value: dict[str, str]) -> None:
    assert "canary" not in str(redact([{"deep": value}]))


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("around", ["{}", "see {} there", "key='{}'\n", "ä\n{}\nö", "https://x.org/?q={}"])
def test_a_secret_of_a_known_form_is_replaced_by_its_kind_and_nothing_else_is(kind: str, around: str) -> None:
    kept = redact_text(around.format(KNOWN[kind]))
    replaced = f"{REDACTED[:-1]}:{kind}{REDACTED[-1]}"
    expected = {replaced, f"AccountKey={replaced}"}
    assert kept in {around.format(each) for each in expected}


def test_a_secret_key_of_aws_is_known_by_the_name_beside_it() -> None:
    secret = made_of(MIXED, "/a+b1C2d")
    for text in (
        f"aws_secret_access_key = {secret}",
        f'{{"SecretAccessKey": "{secret}"}}',
        f"AWS_SECRET_ACCESS_KEY={secret}",
    ):
        assert secret not in redact_text(text)
    assert redact_text(f"sha1 {HEX}{HEX[:8]} aws") == f"sha1 {HEX}{HEX[:8]} aws"


def test_a_key_without_its_end_and_one_inside_a_program_are_taken_out() -> None:
    head = made_of("-----BEGIN PRIV", "ATE KEY-----")
    assert redact_text(f"{head}\n{PEM}\nand then") == f"{REDACTED[:-1]}:key{REDACTED[-1]}\nand then"
    program = 'KEY = "' + head + "\\n" + PEM.replace("\n", "\\n") + '\\n"'
    assert PEM[:30] not in redact_text(program)
    assert redact_text(f"if '{head}' in text: pass") == f"if '{head}' in text: pass"


def random_text(alphabet: str, length: int) -> str:
    return "".join(Random(1).choices(alphabet, k=length))


HARMLESS = {
    "the example of the AWS documentation": made_of("AKIA", "IOSFODNN7EXAMPLE"),
    "sha256": HEX + HEX,
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "placeholder": made_of("gh", "p_") + "x" * 36,
    "no token": made_of("ey", "JhYmNkZWZnaGlq.YWJjZGVmZ2hpams.xyz"),
    "image": b64encode(random_text("".join(map(chr, range(256))), 300_000).encode("latin-1")).decode(),
    "package lock": "integrity sha512-" + b64encode(bytes(range(64))).decode(),
    "words": "task-oriented risk-averse-and-very-long-description desk-with-a-long-name-that-goes-on-and-on",
    "time and hash": f"1700000000:{HEX}{HEX[:8]}",
    "wheel": "numpy-2.3.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_resembles_a_secret_stays(name: str) -> None:
    assert redact_text(HARMLESS[name]) == HARMLESS[name]


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "a.",
            "://",
            "http://a:",
            "@",
            "-eyJ",
            "eyJ.",
            " eyJhbGciOi.",
            "sk-",
            "-sk-ant-",
            "?a=",
            "&token",
            "xoxb-1-",
        ),
        *(
            made_of("-----BEGIN PRIV", "ATE KEY-----\n"),
            made_of("-----BEGIN PRIV", "ATE KEY-----\n") + "A" * 20,
            "1:AA",
        ),
        *(" Aaa: ", "AccountKey=", "aws_secret_access_key = ", "ghp_", "MT", HEX, "SG.aaaaaaaaaaaaaaaaaaaaaaa."),
    ],
)
def test_a_million_characters_take_no_seconds(piece: str) -> None:
    text = "://" + piece * (1_000_000 // len(piece))
    started = process_time()
    redact_text(text)
    assert process_time() - started < 20  # measured 0.5 s at most


def test_secrets_are_replaced_in_params_and_command_lines_by_their_kind() -> None:
    token = KNOWN["github"]
    assert redact({"where": [f"git+https://{token}@github.com/a", token]}) == {
        "where": ["git+https://***@github.com/a", f"{REDACTED[:-1]}:github{REDACTED[-1]}"]
    }
    assert token not in " ".join(redact_argv(["run", "--where", token, f"x={token}"]))


def test_neither_import_nor_an_ordinary_text_loads_the_scanner() -> None:
    program = """
import sys
from renex_jupyter.capture.secrets import redact
redact({"lr": 0.1, "model": "a-task-with-a-long-name-and-eyes_on_it", "url": "postgres://a:b@c/d"}, "config")
assert not [each for each in sys.modules if each.startswith(("detect_secrets", "requests"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_looking_for_secrets_leaves_the_warnings_of_the_program_alone() -> None:
    code = """
import warnings
from renex_jupyter.capture.secrets import redact_text
redact_text("key sk-abcdefghijklmnopqrstuvwxyzABCD and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl")
warnings.warn("mine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "mine" in done.stderr
