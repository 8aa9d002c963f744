"""Whatever a name holds, its message is one line."""

from adversarial_autoencoder.system.errors import UserError, one_line

import pytest


@pytest.mark.parametrize(
    "name, shown",
    [
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("half \udcff", r"half \udcff"),
        ("\u202etxt", r"\u202etxt"),
        ("äö 数字 ½", "äö 数字 ½"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_names_in_messages_neither_break_the_line_nor_reach_the_terminal(name, shown):
    assert str(UserError(f"{name} cannot be read")) == f"{shown} cannot be read"
    assert str(UserError(str(UserError(name)))) == shown


def test_text_from_elsewhere_is_cut():
    assert one_line("a\n b" * 100, 10) == "a ba ba..."
