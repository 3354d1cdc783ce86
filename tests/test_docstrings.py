"""What docstrings say of parameters, in the three ways of saying it."""

from __future__ import annotations

from inspect import cleandoc

import pytest

from customgroqchat._docstrings import documentation

GOOGLE = """Find a town,
    wherever it is.

    It is slow: do not hurry.

    Args:
        name (str, optional): The name,
            which: is long.
        *others: More of them.
        silent:
        year (int): When

            it was.

    Returns:
        found: What was found.
    """
NUMPY = """Find a town.

    Parameters
    ----------
    name : str, optional
        The name,
        which is long.
    first, last : int
        Years.
    plain
        Without a type.

    Returns
    -------
    found : str
        What was found.
    """
SPHINX = """Find a town.

    :param name: The name,
        which is long.
    :param int year: When.
    :type name: str
    :returns: What: was found.
    """


def test_google() -> None:
    found = documentation(cleandoc(GOOGLE))
    assert found.summary == "Find a town, wherever it is."
    assert found.parameters == {
        "name": "The name, which: is long.",
        "others": "More of them.",
        "year": "When it was.",
    }


def test_numpy() -> None:
    found = documentation(cleandoc(NUMPY))
    assert found.summary == "Find a town."
    years = dict.fromkeys(("first", "last"), "Years.")
    assert found.parameters == {
        "name": "The name, which is long.",
        **years,
        "plain": "Without a type.",
    }


def test_sphinx() -> None:
    found = documentation(cleandoc(SPHINX))
    assert found.summary == "Find a town."
    assert found.parameters == {"name": "The name, which is long.", "year": "When."}


@pytest.mark.parametrize("heading", ["Arguments", "Parameters", "Keyword Args", "Attributes"])
def test_a_section_has_several_names(heading: str) -> None:
    assert documentation(f"Do it.\n\n{heading}:\n    a: What.").parameters == {"a": "What."}


@pytest.mark.parametrize("docstring", [None, "", "   "])
def test_nothing_says_nothing(docstring: str | None) -> None:
    assert documentation(docstring) == ("", {})


def test_a_docstring_may_begin_with_a_section() -> None:
    assert documentation("Args:\n    a: What.") == ("", {"a": "What."})
    assert documentation(":param a: What.") == ("", {"a": "What."})


def test_a_sentence_that_ends_in_a_colon_is_no_section() -> None:
    assert documentation("Do it.\nArgs:\nare many.") == ("Do it. Args: are many.", {})


def test_what_is_no_entry_is_passed_over() -> None:
    said = "Do it.\n\nArgs:\n    no entry at all\n    a: What."
    assert documentation(said).parameters == {"a": "What."}
