"""Docstrings with scripted answers: what they list, what they keep, and that the code is unchanged."""

from __future__ import annotations

import ast
import random
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions, undocumented
from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings import Docstring, DocstringWriter, Style, is_outdated
from nano_lsp.docstrings.layout import detect_style
from nano_lsp.errors import DocumentError
from tests.scripted_answers import run

STDLIB = Path(sysconfig.get_paths()["stdlib"])
FUNCTION = """def fetch(url, timeout: float = 3.0, *rest, verify, **options) -> bytes:
    if not url:
        raise ValueError("no address")
    return b""
"""


def parse(code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return tree


async def write(
    context: FeatureContext, tree: SyntaxTree, definition: Definition, style: Style | None = None
) -> Docstring | None:
    found = await DocstringWriter(context).write_all(tree, [definition], style.value if style else "auto")
    return found[0] if found else None


def document(
    code: str, name: str = "fetch", style: Style | None = None, words: Sequence[str] = ()
) -> tuple[str, Docstring | None]:
    """The code with a docstring for a definition in it."""
    tree = parse(code)
    definition = next(found for found in find_definitions(tree) if found.name == name)
    docstring = run(lambda it: write(it, tree, definition, style), *words, otherwise="some words")
    return apply_edits(code, [docstring.edit] if docstring else []), docstring


def without_docstrings(code: str) -> str:
    module = ast.parse(code)
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
            first = node.body[0] if node.body else None
            value = first.value if isinstance(first, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                del node.body[0]
    return ast.dump(module)


def test_each_style_lists_the_parts_of_the_code() -> None:
    words = ["fetch it", "The address", "how long", "more", "Check the certificate", "others", "the page", "If empty"]
    google, _ = document(FUNCTION, words=words)
    assert (
        '''    """Fetch it.

    Args:
        url: The address.
        timeout: how long.
        *rest: more.
        verify: Check the certificate.
        **options: others.

    Returns:
        the page.

    Raises:
        ValueError: If empty.
    """
'''
        in google
    )
    numpy, _ = document(FUNCTION, style=Style.NUMPY, words=words)
    assert "    timeout : float\n        how long.\n    *rest\n        more.\n" in numpy
    assert "    Returns\n    -------\n    bytes\n        the page.\n" in numpy
    sphinx, _ = document(FUNCTION, style=Style.SPHINX, words=words)
    assert "    :param options: others.\n    :returns: the page.\n    :raises ValueError: If empty.\n" in sphinx


def test_an_update_keeps_valid_entries_and_text() -> None:
    code = FUNCTION.replace(", *rest, verify, **options", ", rest=(), verify=True").replace(
        ":\n    if",
        ''':
    """Fetches a page, carefully.

    More words,
    in two lines.

    Args:
        url (str): The author's words,
            in two lines.
        proxy: There is no such parameter.
        timeout: In seconds.

    Note:
        This stays.

    Raises:
        OSError: A callee may raise it.
    """
    if''',
        1,
    )
    after, _ = document(code)
    kept = (
        "Fetches a page, carefully.\n\n    More words,\n    in two lines.\n",
        "        url (str): The author's words,\n            in two lines.\n",
        "    Note:\n        This stays.\n",
        "        OSError: A callee may raise it.\n",
        "        rest: some words.\n",
        "        ValueError: some words.\n",
    )
    assert all(text in after for text in kept)
    assert "proxy" not in after
    assert document(after) == (after, None)  # nothing needs to change


def test_an_up_to_date_docstring_is_unchanged() -> None:
    for text in (
        '"""Say hello."""',
        "'''Say hello.'''",
        '"""\n    Say hello.\n    """',
        'r"""\\d"""',
        '"Say hello."',
    ):
        code = f"def fetch():\n    {text}\n"
        assert document(code) == (code, None)


def test_the_style_is_that_of_the_docstring_then_of_the_setting_then_of_the_file() -> None:
    sphinx = 'def fetch(a, b):\n    """Do.\n\n    :param a: one\n    """\n'
    assert ":param b: some words." in document(sphinx, style=Style.NUMPY)[0]
    assert detect_style(sphinx) is Style.SPHINX
    assert ":param c:" in document(f"{sphinx}\n\ndef other(c):\n    pass\n", "other")[0]
    assert "Args:" in document("def fetch(c):\n    pass\n")[0]
    assert detect_style("x = 1\n") is None


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("def fetch(): return\n", 'def fetch():\n    """Some words."""\n    return\n'),
        ("def fetch():  # why\n    pass\n", 'def fetch():  # why\n    """Some words."""\n    pass\n'),
        ("def fetch():\n    # first\n    pass\n", 'def fetch():\n    """Some words."""\n    # first\n    pass\n'),
        ("class fetch:\n\tx = 1\n", 'class fetch:\n\t"""Some words."""\n\tx = 1\n'),
        ("def fetch():\r\n    pass\r\n", 'def fetch():\r\n    """Some words."""\r\n    pass\r\n'),
        ("def fetch(\n):\n    pass", 'def fetch(\n):\n    """Some words."""\n    pass'),
        ("def fetch() \\\n  : \\\n  pass\n", 'def fetch() \\\n  :\n  """Some words."""\n  pass\n'),
        ("é = '🙂'\ndef fetch():\n    pass\n", 'é = \'🙂\'\ndef fetch():\n    """Some words."""\n    pass\n'),
    ],
)
def test_a_docstring_is_inserted_after_the_header(code: str, after: str) -> None:
    assert document(code)[0] == after


def test_a_module_docstring_is_inserted_after_the_first_comments() -> None:
    code = "#!/usr/bin/env python\n# Licence\n\nimport os\n"
    assert document(code, "")[0] == '#!/usr/bin/env python\n# Licence\n\n"""Some words."""\n\nimport os\n'
    for line_break in ("\r\n", "\r"):
        assert document(code.replace("\n", line_break), "")[0] == document(code, "")[0].replace("\n", line_break)
    assert document("import os\n", "")[0] == '"""Some words."""\n\nimport os\n'


@pytest.mark.parametrize(
    "words", ["", "```python", 'say """x"""', "Args:", "fetch", ", optional", "a\\d", "<|end|>", "…"]
)
def test_unusable_answers_become_placeholders_that_are_reported(words: str) -> None:
    after, docstring = document("def fetch(fetch):\n    pass\n", words=[words] * 4)
    assert docstring is not None
    if words != "Args:":
        assert docstring.skeleton
        assert "fetch: TODO: describe." in after
    ast.parse(after)


@pytest.mark.parametrize(
    ("words", "summary"),
    [('"Fetch it.', "Fetch it."), ('"fetch" it', '"fetch" it.'), ('" Fetch "all" of it', 'Fetch "all" of it.')],
)
def test_a_fourth_quote_is_removed(words: str, summary: str) -> None:
    code, _ = document("def fetch():\n    pass\n", words=[words])
    assert ast.get_docstring(ast.parse(code).body[0]) == summary  # type: ignore[arg-type]


def test_an_unusable_answer_is_generated_again() -> None:
    _, docstring = document("def fetch():\n    pass\n", words=["", "get it"])
    assert docstring is not None
    assert docstring.edit.text.endswith('"""Get it."""')
    assert not docstring.skeleton


def test_public_definitions_without_a_docstring_are_undocumented() -> None:
    code = (
        "class A:\n    def f(self): pass\n    def _g(self): pass\n    def __init__(self): pass\n"
        "    def h(self):\n        'Doc.'\n\n"
        "def test_x(): pass\n\n\ndef outer():\n    def inner(): pass\n\n\n@overload\ndef o(a: int): ...\n"
    )
    assert [found.name for found in undocumented(parse(code))] == ["", "A", "A.f", "outer"]


def sample(n: int, seed: int) -> list[tuple[Path, SyntaxTree, Definition]]:
    """Functions of the standard library, documented or not."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    found: list[tuple[Path, SyntaxTree, Definition]] = []
    paths = [path for path in sorted(STDLIB.glob("*.py")) if path.stat().st_size < 30_000]
    while len(found) < n:
        path = source.choice(paths)
        tree = parse(path.read_text(encoding="utf-8"))
        functions = [d for d in find_definitions(tree) if d.kind is DefinitionKind.FUNCTION]
        if functions:
            found.append((path, tree, source.choice(functions)))
    return found


@pytest.mark.parametrize("n", [30, pytest.param(100, marks=pytest.mark.real)])
def test_functions_of_the_standard_library(n: int) -> None:
    for path, tree, definition in sample(n, 7):
        style = list(Style)[len(definition.name) % 3]
        docstring = run(lambda it: write(it, tree, definition, style), otherwise="some words")  # noqa: B023
        if docstring is None:
            assert definition.docstring is not None, (path, definition.name)  # up to date
            continue
        after = apply_edits(tree.text, [docstring.edit])
        assert without_docstrings(after) == without_docstrings(tree.text), (path, definition.name)


def test_a_wrapped_sentence_is_joined() -> None:
    half = "Fetch what stands at an address that is given as a"
    _, docstring = document("def fetch():\n    pass\n", words=[half, "text"])
    assert docstring is not None
    assert docstring.edit.text.endswith(f'"""{half} text."""')


def test_a_numpy_result_without_a_type_has_its_own_line() -> None:
    after, _ = document("def fetch():\n    return 1\n", style=Style.NUMPY)
    assert "    Returns\n    -------\n    result\n        some words.\n" in after


def outdated(code: str, name: str = "fetch") -> bool:
    tree = parse(code)
    every = list(find_definitions(tree))
    return is_outdated(tree, next(found for found in every if found.name == name), every)


@pytest.mark.parametrize(
    "text",
    [
        '"""Do.\n\n    Args:\n        a ({"x": (1, 2)}): One.\n        b: Two.\n    """',
        '"""Do.\n\n    Args:\n        a (Union[int,\n            str]): One.\n        b -- Two.\n    """',
        '"""Do.\n\n    Args:\n\n        ``a``: One.\n\n        **b**: Two.\n    """',
        '"""Do.\n\n    Args:\n        All of them are numbers.\n        a and b: Both.\n    """',
        '"""Do.\n\n    Args:\n        self: It.\n        a: One.\n        b: Two.\n        Note: Slow.\n    """',
        '"""Do.\n\n    Args:\n    a: One.\n    b: Two.\n    """',
        '"""Do.\n\n    args:\n        b: Two.\n        a: In another order.\n    """',
        '"""Do.\n\n    Parameters\n    ==========\n    a, b\n        Both.\n    """',
        '"""Do.\n\n    Parameters\n    ---\n       a : int\n          One.\n       b\n          Two.\n    """',
        '"""Do.\n\n    :param a: One.\n    :param dict[str, int] b: Two.\n    """',
        '"""Do.\n\n        :param int a: One.\n        :type b: :class:`B`\n    """',
        '"""Do.\n\n    @param a: One.\n    @keyword b: Two.\n    """',
        '"""Do.\n\n    @param a One.\n    @param b Two.\n    """',
        '"""Do.\n\n    Example::\n\n        Args:\n            x: One.\n    """',
        '"""Do.\n\n    Arguments:\n\n    * a is one\n    * b is two\n    """',
        '"""Do.\n\n    >>> fetch()\n    Args:\n        x: 1\n    """',
        '"""Do.\n\n    ```\n    Args:\n        x: 1\n    ```\n    """',
        '"""Do.\n\n    Returns:\n        None.\n    """',
        '"""Do.\n\n    Raises:\n        OSError: A callee may.\n    """',
        '"""Do.\n\n    Args:\n        - a: One.\n        - b (int): Two.\n    """',
        '"""Do.\n\n    Args:\n        1. a: One.\n        2. b: Two.\n    """',
        '"""Do.\n\n    Args:\n        * `a`: One.\n        * *b* -- Two.\n    """',
        '"""Do.\n\n    Args:\n        a=3: One.\n        b = None : Two.\n    """',
        '"""Do.\n\n    Args:\n        int a: One.\n        list[int] b: Two.\n    """',
        '"""Do.\n\n    Args:\n        a (int) One.\n        b ([int): It is "so.\n    """',
        "'''Do.\n\n    Args:\n        \"a\": One.\n        'b': Two.\n    '''",
        '"""Do.\n\n    Args:\n        a\uff1aOne.\n        b\uff1aTwo.\n    """',
        '"""Do.\n\n    Args:\n        a, b: http://c\n        https://c: A note.\n        host:port: So.\n    """',
        '"""Do.\n\n    Args:\n        a, b: One of\n        - red: Loud.\n        - blue: Soft.\n    """',
        '"""Do.\n\n    Parameters\n    ----------\n    a,\n    b : int\n        Both.\n    """',
        '"""Do.\n\n    :param a:One.\n    :param int b:Two.\n    """',
        '"""Do.\n\n    @param a:One.\n    @param b Two.\n    """',
        '"""Do.\n\n    :Parameters:\n      - `a`: One.\n      - `b` (optional): Two.\n    """',
        '"""Do.\n\n    :Parameters:\n        a : int\n            One.\n        b\n            Two.\n    """',
        '"""Do.\n\n    # Arguments\n        a: One.\n        b: Two.\n    """',
        '"""Do.\n\n    **Parameters**\n\n    * `a` - One.\n    * `b` - Two.\n    """',
        '"""Do.\n\n    **Args:**\n        a: One.\n        b: Two.\n    """',
        '"""Do.\n\n    :return: None\n    :rtype: NoneType\n    """',
        '"""Do.\n\n    :return: nothing\n    :rtype: void\n    """',
    ],
)
def test_docstrings_in_all_forms_of_the_style_guides_are_up_to_date(text: str) -> None:
    code = f"class A:\n  def fetch(self, a, b):\n    {text}\n    print()\n"
    ast.parse(code)
    assert not outdated(code, "A.fetch")


@pytest.mark.parametrize("entry", ["- ValueError: Bad.", "* `ValueError`: Bad.", "ValueError if bad.", "ValueError"])
def test_an_exception_is_described_in_any_form(entry: str) -> None:
    assert not outdated(f'def fetch():\n    """Do.\n\n    Raises:\n        {entry}\n    """\n    raise ValueError\n')


@pytest.mark.parametrize("entry", ["{a}", "%(a)s", "$a", "${a}"])
def test_entries_that_the_code_inserts_are_not_added(entry: str) -> None:
    code = (
        f'def fetch(a, b):\n    """Do.\n\n    Parameters\n    ----------\n    {entry}\n    b\n        Two.\n    """\n'
    )
    assert document(code) == (code, None)


def test_fields_that_are_documented_beside_their_assignment_are_described() -> None:
    code = (
        'class fetch:\n    """Do.\n\n    Attributes:\n        a: One.\n    """\n\n'
        '    a: int\n    b: int = 1\n    """Two."""\n'
        "    c: int  #: Three.\n    #: Four.\n    d: int\n"
    )
    assert document(code) == (code, None)
    assert "        e: some words.\n" in document(f"{code}    e: int  # no documentation\n    f: int\n")[0]


def test_an_exception_may_be_thrown_as_in_java() -> None:
    code = 'def fetch():\n    """Do.\n\n    @throws ValueError When bad.\n    """\n    raise ValueError\n'
    assert document(code) == (code, None)


def test_a_new_entry_of_a_list_has_the_mark_of_the_others() -> None:
    code = 'def fetch(a, b):\n    """Do.\n\n    Args:\n      * a: One.\n        And more.\n    """\n'
    assert document(code)[0] == code.replace("more.\n", "more.\n      * b: some words.\n")


@pytest.mark.parametrize("decorator", ["property", "line_magic", "mock.patch('a.b')", "functools.wraps(other)"])
def test_a_parameter_that_a_decorator_may_add_is_kept(decorator: str) -> None:
    code = (
        f'class A:\n    @{decorator}\n    def fetch(self):\n        """Do.\n\n        :param b: One.\n        """\n'
    )
    assert not outdated(code, "A.fetch")
    assert document(code, "A.fetch") == (code, None)
    assert outdated(code.replace(decorator, "classmethod"), "A.fetch")


def test_a_reference_to_another_list_of_parameters_is_enough() -> None:
    for line in ("See `numpy.argmin` for complete descriptions.", "Same as for `fetch_all`."):
        code = f'def fetch(a, b):\n    """Do.\n\n    Parameters\n    ----------\n    {line}\n    """\n'
        assert document(code) == (code, None)


def test_a_field_may_list_several_entries() -> None:
    code = 'def fetch(a, b):\n    """Do.\n\n    :Parameters:\n      - `a`: One.\n    """\n    return a\n'
    added = "One.\n      - b: some words.\n\n    :returns: some words.\n"
    assert document(code)[0] == code.replace("One.\n", added)
    defined = 'def fetch(a, b):\n    """Do.\n\n    :Parameters:\n        a : int\n            One.\n    """\n'
    assert document(defined)[0] == defined.replace("One.\n", "One.\n        b\n            some words.\n")


@pytest.mark.parametrize("title", ["**Args**:", "**Arguments**", "# Arguments", "## Parameters:", "Args\uff1a"])
def test_a_new_entry_goes_below_a_title_in_markdown(title: str) -> None:
    code = f'def fetch(a, b):\n    """Do.\n\n    {title}\n        a: One.\n    """\n'
    assert outdated(code)
    assert document(code)[0] == code.replace("One.\n", "One.\n        b: some words.\n")


def test_parameters_that_are_passed_on_are_not_obsolete() -> None:
    code = 'def fetch(a, *args, **options):\n    """Do.\n\n    Args:\n        a: One.\n        {}: Two.\n    """\n'
    for entry in ("x1, x2, ...", "timeout", "*args, **options"):
        assert not outdated(code.format(entry))
    assert not outdated(code.replace("*args, ", "").format("options.timeout"))
    assert outdated(code.replace("*args, **options", "b").format("timeout"))


@pytest.mark.parametrize(
    ("code", "is_kept"),
    [
        ("def fetch():\n    {}\n    print()\n", False),
        ("def fetch() -> None:\n    {}\n    print()\n", False),
        ("@functools.cache\ndef fetch():\n    {}\n    print()\n", False),
        ("def fetch():\n    {}\n", True),
        ("def fetch():\n    {}\n    raise NotImplementedError\n", True),
        ("def fetch() -> int:\n    {}\n    print()\n", True),
        ("@app.task\ndef fetch():\n    {}\n    print()\n", True),
        ("def fetch():\n    {}\n    yield 1\n", True),
    ],
)
def test_a_result_is_removed_only_if_the_code_returns_none(code: str, is_kept: bool) -> None:
    code = code.format('"""Do.\n\n    Returns:\n        The number.\n    """')
    assert outdated(code) is not is_kept
    assert ("The number." in document(code)[0]) is is_kept


def test_one_of_several_names_is_removed() -> None:
    code = (
        'def fetch(a, c):\n    """Do.\n\n    Args:\n        a, b (int): Both: here.\n        b, c: Others.\n    """\n'
    )
    after, _ = document(code)
    assert after == code.replace("a, b (int)", "a (int)").replace("b, c:", "c:")


def test_a_summary_may_describe_the_result() -> None:
    code = 'def fetch(a):\n    """Returns the page.\n\n    Args:\n        a: One.\n    """\n    return a\n'
    assert document(code) == (code, None)


def test_an_empty_docstring_is_replaced() -> None:
    assert document('def fetch():\n    """ """\n')[0] == 'def fetch():\n    """Some words."""\n'
    assert document('def fetch():\n    ("" "")\n')[0] == 'def fetch():\n    """Some words."""\n'


def test_an_update_that_is_not_possible_is_reported() -> None:
    pieces = '("Do.\\n\\nArgs:\\n    a: One,\\n"\n     "        two.\\n")'
    with pytest.raises(DocumentError, match="left unchanged: its string literals would have to be rewritten"):
        document(f"def fetch(b):\n    {pieces}\n")
    with pytest.raises(DocumentError, match="not valid Python"):
        document("def fetch(int b):\n    pass\n")


@pytest.mark.parametrize(
    ("code", "indent"),
    [
        ("class A:\n\tdef fetch(self): return\n", "\t\t"),
        ("class A:\n  def fetch(self): return\n", "    "),
        ("if x:\n\ty = 1\n\n\ndef fetch(): return\n", "\t"),
        ("def fetch(): return\n", "    "),
    ],
)
def test_a_body_in_the_line_of_its_header_is_indented_like_the_file(code: str, indent: str) -> None:
    name = "A.fetch" if code.startswith("class") else "fetch"
    after, _ = document(code, name)
    assert after.endswith(f':\n{indent}"""Some words."""\n{indent}return\n')


def test_new_entries_have_the_form_of_the_docstring() -> None:
    numpy = 'def fetch(a, b: int):\n    """Do.\n\n    Parameters\n    ----------\n    a : int\n      One.\n    """\n'
    assert "    b : int\n      some words.\n" in document(numpy)[0]
    google = 'def fetch(a, b):\n  """Do.\n\n  Args:\n    a: One.\n  """\n'
    assert "    a: One.\n    b: some words.\n" in document(google)[0]
    epytext = 'def fetch(a, b):\n    """Do.\n\n    @param a: One.\n    """\n'
    assert "    @param a: One.\n    @param b: some words.\n" in document(epytext)[0]
    assert "@param c: some words." in document(f"{epytext}\n\ndef other(c):\n    pass\n", "other")[0]


def test_fields_of_a_class_are_added_to_the_section_that_has_them() -> None:
    fields = "class fetch:\n    {}\n    a: int\n    b: int\n"
    attributes = fields.format('"""Do.\n\n    Attributes:\n        a: One.\n    """')
    assert outdated(attributes)
    assert "        a: One.\n        b: some words.\n" in document(attributes)[0]
    arguments = fields.format('"""Do.\n\n    Args:\n        a: One.\n    """')
    assert not outdated(arguments)  # they may be the constructor's parameters
    assert "        a: One.\n        b: some words.\n" in document(arguments)[0]
    constructed = arguments + "    def __init__(self, a): ...\n"
    assert "    Attributes:\n        b: some words.\n\n    Args:\n        a: One.\n" in document(constructed)[0]
