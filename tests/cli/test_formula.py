"""`kvcalc formula`: the formula alone on stdout, its range on stderr."""

import pytest

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "(12*context + 36*min(128, context)) * 4096 * sequences"),
        (
            ("--as", "excel", "--name", "context=B2", "--name", "sequences=C2"),
            "=(12*B2 + 36*MIN(B2, 128))*4096*C2",
        ),
        (("--as", "python", "-w", "4096"),
         "lambda context, sequences: (12*context + 36*min(context, 4096)) * 4096 * sequences"),
        (("--as", "excel", "--tp", "8", "--per-gpu"),
         "=(12*context + 36*MIN(context, 128))*512*sequences"),
    ],
)  # fmt: skip
def test_the_text_is_all_that_stdout_gets(cli: Cli, arguments: tuple[str, ...], text: str) -> None:
    outcome = cli("formula", KEXAONE, *arguments)
    assert outcome.code == 0
    assert outcome.out.replace("min(128, context)", "min(context, 128)") == f"{text}\n".replace(
        "min(128, context)", "min(context, 128)"
    )
    assert outcome.err.startswith("kvcalc: note: exact ")


def test_sql_names_its_limit(cli: Cli) -> None:
    outcome = cli("formula", KEXAONE, "-e", "vllm", "--as", "sql", "--dialect", "spark")
    assert "CAST(context AS BIGINT)" in outcome.out
    assert outcome.err.endswith("below 2^63; past it Spark 4 fails and Spark 3 wraps\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--as", "jq"), "target 'jq' is unknown; known are text, excel"),
        (("--name", "context"), "--name: found 'context', expected variable=name"),
        (("--name", "context=a", "--name", "context=b"), "--name: 'context' is given twice"),
        (("--name", "context=\x1b[31m"), "name: found '\\x1b[31m', expected printable text"),
        (("--as", "latex", "--name", "context=\x1b[31m"), "name: found '\\x1b[31m', expected"),
        (("--as", "excel", "--name", "context=1+1"), "name: found '1+1', expected a cell"),
        (("--as", "sql", "--dialect", "oracle"), "dialect 'oracle' is unknown"),
    ],
)
def test_bad_input(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = cli("formula", KEXAONE, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kvcalc: {sentence}")
