import pytest
from hypothesis import given
from hypothesis import strategies as st

from renex_jupyter.capture.secrets import REDACTED, is_secret_file, is_secret_name, redact, redact_argv


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
