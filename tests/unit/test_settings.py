"""Settings: every flaw named at once, in sentences, without a value."""

import base64
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, load_settings

KEY, OLD_KEY = (base64.urlsafe_b64encode(byte * 32).decode() for byte in (b"k", b"o"))
GOOD = {
    "LEDGERTIDE_DATABASE_URL": "postgresql://ledgertide:db-password@db/ledgertide",
    "LEDGERTIDE_REDIS_URL": "redis://:redis-password@redis:6379/0",
    "LEDGERTIDE_SECRET_KEYS": f"{KEY}, {OLD_KEY}",
    "LEDGERTIDE_XERO_CLIENT_ID": "our-app",
    "LEDGERTIDE_XERO_CLIENT_SECRET": "app-secret",
}


def test_a_complete_environment_is_read_with_types_and_defaults() -> None:
    settings = load_settings(GOOD | {"LEDGERTIDE_RUN_RETENTION": "7d", "LEDGERTIDE_DATABASE_POOL": "4"})

    assert [key.get_secret_value() for key in settings.secret_keys] == [KEY, OLD_KEY]
    assert settings.run_retention == timedelta(days=7)
    assert settings.database_pool == 4
    assert settings.xero_api_url == "https://api.xero.com"


def test_every_missing_variable_is_named_at_once_with_what_to_do() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"LEDGERTIDE_REDIS_URL": "  "})

    for name in GOOD:
        assert f"{name} is missing. Give " in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DATABASE_URL", "sqlite:///hidden-here.sqlite", "named by its whole path"),
        ("DATABASE_URL", "mysql://u:hidden@h/d", "does not begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@h:hidden/d", "not an address with a host"),
        ("REDIS_URL", "redis://", "not an address with a host"),
        ("REDIS_URL", "http://hidden@x", "does not begin with redis:// or rediss://"),
        ("SECRET_KEYS", f"{KEY},hidden", "key 2 of 2 is not a Fernet key"),
        ("SECRET_KEYS", " , ", "one or more Fernet keys"),
        ("XERO_API_URL", "http://hidden.example", "plain http is only for this machine"),
        ("XERO_API_URL", "hidden", "not an https:// address"),
        ("REQUEST_DEADLINE", "31s", "1s to 30s"),
        ("RUN_RETENTION", "hidden", "not a length of time"),
        ("FLOWER_PASSWORD", "hidden", "8 characters or more"),
        ("FLOWER_PORT", "99999", "1 to 65535"),
        ("DATABASE_POOL", "hidden", "1 to 100"),
        ("LOG_LEVEL", "hidden", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_malformed_variable_is_named_and_its_value_never_shown(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(GOOD | {f"LEDGERTIDE_{name}": value})

    assert f"LEDGERTIDE_{name} is malformed" in str(error.value)
    assert said in str(error.value)
    assert "hidden" not in str(error.value)
    assert error.value.__suppress_context__


def test_an_unknown_name_warns_with_the_nearest_known_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_settings(GOOD | {"LEDGERTIDE_LOG_LEVLE": "hidden", "LEDGERTIDE_TEST_DATABASE_URL": "x"})

    assert [record.getMessage() for record in caplog.records] == [
        "LEDGERTIDE_LOG_LEVLE is not a setting of ours and is ignored. Did you mean LEDGERTIDE_LOG_LEVEL?"
    ]


def test_no_secret_shows_in_what_python_prints_of_the_settings() -> None:
    settings = load_settings(GOOD | {"LEDGERTIDE_FLOWER_PASSWORD": "flower-password"})

    for secret in (KEY, OLD_KEY, "db-password", "redis-password", "app-secret", "flower-password"):
        assert secret not in repr(settings)
        assert secret not in str(settings.model_dump())


def test_settings_are_built_from_what_is_passed_in_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match="redis_url"):
        Settings()  # type: ignore[call-arg]


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value!r}\n" for name, value in GOOD.items()))
    monkeypatch.setenv("LEDGERTIDE_XERO_CLIENT_ID", "from-the-environment")

    settings = load_settings(env_file=file)

    assert settings.xero_client_id == "from-the-environment"
    assert settings.xero_client_secret.get_secret_value() == "app-secret"


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"LEDGERTIDE_XERO_CLIENT_ID=\xff\n")

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(env_file=file)


def test_where_dext_calls_us_whatever_that_needs_is_named() -> None:
    complete = {
        "LEDGERTIDE_DEXT_AUTH_MODE": "partner_hosted",
        "LEDGERTIDE_DEXT_PARTNER_URL": "https://ledgertide.example",
        "LEDGERTIDE_DEXT_PARTNER_CLIENT_ID": "dext",
        "LEDGERTIDE_DEXT_PARTNER_CLIENT_SECRET": "a secret of sixteen or more",
        "LEDGERTIDE_DEXT_PARTNER_REDIRECT_URIS": "https://dext.example/back/, https://dext.example/b?x=1",
    }

    backs = load_settings(GOOD | complete).dext_partner_redirect_uris

    assert backs == ("https://dext.example/back/", "https://dext.example/b?x=1")
    for name in complete.keys() - {"LEDGERTIDE_DEXT_PARTNER_URL"}:
        with pytest.raises(SettingsError, match=f"of no use without {name}"):
            load_settings(GOOD | {key: value for key, value in complete.items() if key != name})
    with pytest.raises(SettingsError, match="codes would travel in the open"):
        load_settings(GOOD | complete | {"LEDGERTIDE_DEXT_PARTNER_REDIRECT_URIS": "http://dext.example/"})
