"""What the command line says about an error."""

import pytest
import typer

from xflow import cli_base
from xflow.errors import ContractViolated


@pytest.mark.parametrize("text", ["series ['a', 'b'] are short", "row 0 of series '[/red]'", "[bold]", "x" * 500])
def test_an_error_is_shown_as_it_is_whatever_a_series_is_called(text, capsys):
    with pytest.raises(typer.Exit) as caught, cli_base.reported():
        raise ContractViolated(text)
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == f"ContractViolated: {text}\n"
