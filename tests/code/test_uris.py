"""URIs as editors have them, and the files that they speak of."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.document import is_secret
from nano_lsp.code.uris import file_path, innermost, path_of, path_within

SECRETS = (".env", ".ENV", "server.key", "id_rsa", "credentials", ".env~", "server.key.bak", "#.env#", ".env.~1~")
NAMES = (
    *("kubeconfig", "prod.kubeconfig", "terraform.tfvars", "prod.auto.tfvars.json", "terraform.tfstate.backup"),
    *(
        ".dockercfg",
        "service-account.json",
        "serviceAccountKey.json",
        "deploy_rsa",
        "auth.p8",
        ".authinfo",
        ".my.cnf",
    ),
    *(
        ".vault-token",
        ".vault_pass.txt",
        ".secrets",
        "passwords",
        ".Renviron",
        ".env - Copy",
        ".env (1)",
        "\uff0e\uff45\uff4e\uff56",
    ),
)
IN_FOLDERS = (".ssh/work_key", ".docker/config.json", ".aws/config", ".kube/config")
CODE = (
    *(
        "app.py",
        "tokens.py",
        "Untitled-1",
        ".env.example",
        "AccessToken.class",
        "server.pub",
        "config.json",
        "config",
    ),
    *("terraform.tfvars.example", "main.tf", "token", "token-list.html", "service.json", "a@2x.py", "id.py"),
)
FORMS = (
    *(
        "/w/{}",
        "C:\\w\\{}",
        "file:///w/{}",
        "FILE:///w/{}",
        "file:/w/{}",
        "file:///c%3A/w/{}",
        "file://server/share/{}",
    ),
    *("git:/w/{}?%7B%7D", "vscode-vfs://github/o/r/{}", "vscode-remote://ssh-remote%2Bhost/w/{}", "untitled:{}"),
    *("vscode-notebook-cell:/w/{}#W0", "ssh://host//w/{}", "oil-ssh://host/w/{}", "fugitive:///w/.git//0/{}"),
    *("gitsigns:///w/.git//:0:{}", "diffview:///w/.git/:0:/{}", "jar:file:///w/a.jar!/{}", "zipfile:///w/a.zip::{}"),
    *("other:/w/a?path=%2Fw%2F{}&ref=HEAD", "other:/w/a.diff#/w/{}"),
)


def escaped(name: str, times: int) -> str:
    for _ in range(times):
        name = "".join(f"%{byte:02X}" for byte in name.encode())
    return name


def carried(name: str) -> list[str]:
    """The name in data that URIs of Git extensions carry."""
    data = json.dumps({"path": f"/w/{name}", "ref": "HEAD"})
    return [
        *(f"git:/w/a?{data}", f"gitlens:/a?{quote(data)}", f"gitlens://{data.encode().hex()}/a"),
        f"git-graph:file?{base64.b64encode(data.encode()).decode()}",
    ]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_seen_under_every_form(name: str) -> None:
    for form in FORMS:
        uri = form.format(name if form[0] in "/C" else quote(name))
        assert is_secret(uri), uri
    for uri in carried(name):
        assert is_secret(uri), uri


@pytest.mark.parametrize("name", [*NAMES, *IN_FOLDERS])
def test_names_that_programs_give_to_secrets_are_seen(name: str) -> None:
    for uri in (f"/w/{name}", f"file:///w/{quote(name)}", f"file:///C%3A/w/{quote(name)}", f"git:/w/{quote(name)}?x"):
        assert is_secret(uri), uri


@pytest.mark.skipif("sys.platform == 'win32'", reason="names of files that are not UTF-8")
@given(
    st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name and name not in {b".", b".."})
)
def test_a_name_of_any_bytes_is_found_by_its_uri(name: bytes) -> None:
    path = Path("/w", os.fsdecode(name), "a.py")
    assert file_path(path.as_uri()) == path


def test_revisions_and_null_characters_hide_nothing() -> None:
    for uri in ("perforce:/w/.env%23head", "hg:/w/.env@tip", "file:///w/.env%00", "file:///w/.env%00.py"):
        assert is_secret(uri), uri


@given(st.sampled_from(SECRETS), st.sampled_from(FORMS[2:]), st.integers(1, 3))
def test_escapes_hide_nothing(name: str, form: str, times: int) -> None:
    assert is_secret(form.format(escaped(name, times)))


@pytest.mark.parametrize("name", CODE)
def test_code_is_no_secret_under_any_form(name: str) -> None:
    for uri in (*(form.format(name) for form in FORMS), *carried(name)):
        assert not is_secret(uri), uri
    assert not is_secret("/w/.env/app.py")  # a folder
    assert not is_secret('git:/w/a.py?{"path":"/w/a.py","ref":"credentials"}')


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    is_secret(text)
    path_of(text)
    file_path(f"file://{text}")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///w/a%20b;c.py", "/w/a b;c.py"),
        ("file:///c%3A/w/a.py", "c:/w/a.py"),
        ("file://localhost/w/a.py", "/w/a.py"),
        ("file://server/share/a.py", "//server/share/a.py"),
        ('git:/w/gen/a.py?{"ref":"~"}', "/w/gen/a.py"),
        ("file:///w/src/../gen/a.py", "/w/gen/a.py"),
        ("/w/100%25.py", "/w/100%25.py"),
    ],
)
def test_the_path_of_a_uri(uri: str, path: str) -> None:
    assert path_of(uri) == path
    assert (file_path(uri) is not None) == uri.startswith("file:")


@pytest.mark.skipif("sys.platform == 'win32'", reason="symbolic links")
def test_a_folder_contains_what_it_links_to(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "inner").mkdir(parents=True)
    link.symlink_to(real)
    assert innermost([link], real / "a.py") == link
    assert path_within(link, real / "inner" / "a.py") == Path("inner/a.py")
    assert path_within(real, link / "a.py") == Path("a.py")
    assert innermost([real, link / "inner"], real / "inner" / "a.py") == link / "inner"
    assert innermost([link], tmp_path / "a.py") is None
    assert innermost([link], Path("a\0.py")) is None
