"""The command line: `winnow VERB`. Heavy imports wait inside the verbs, so `--help` is instant.

Exit codes: 0 done, 1 failed, 2 bad input, 3 fewer samples than asked for, 130 interrupted.
"""

import sys

import typer

from service.commands import (
    audit,
    batch,
    bench,
    calibrate,
    costs,
    demo,
    export,
    generate,
    grade,
    key,
    protect,
    serve,
    train_grader,
    train_tiny,
)

app = typer.Typer(
    name="winnow",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Synthetic data with a hallucination gate: ask for N samples, get N that passed, and an "
        "account of every one that did not.\n\n"
        "Begin with [bold]winnow demo[/bold]; then "
        "[bold]winnow generate --recipe essay --count 10 --sources sheets.jsonl[/bold]."
    ),
)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)
app.command("grade")(grade.grade)
app.command("batch")(batch.batch)
app.command("calibrate")(calibrate.calibrate)
app.command("audit")(audit.audit)
app.command("export")(export.export)
app.command("protect")(protect.protect)
app.command("serve")(serve.serve)
app.command("key")(key.key)
app.command("costs")(costs.costs)
app.command("train-tiny")(train_tiny.train_tiny)
app.command("train-grader")(train_grader.train_grader)
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command line; Ctrl-C ends it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
