from pathlib import Path

import pytest
from click.testing import CliRunner

from stream_app.cli import cli

pytest.importorskip("torchjd", reason="torchjd comes with the train extra")
pytest.importorskip("pandas", reason="pandas comes with the train extra")


def test_data_that_is_not_the_labelled_data_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["model", "tables", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "crisismmd_v2_unified.parquet is missing" in result.output


def test_an_unknown_method_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["model", "tables", "--data", str(tmp_path), "--method", "Magic"])
    assert result.exit_code == 1
    assert "no method is called 'Magic'" in result.output
    assert "ImprovedGraph + Dynamic" in result.output
