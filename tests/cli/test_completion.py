from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from cutmix_gen.cli import main


def completed(*words: str) -> list[str]:
    """Return what is offered for the last of some words."""
    shell = ShellComplete(main, {}, "cutmix-gen", "_CUTMIX_GEN_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["gen"], ["generate"]),
        (["generate", "--lab"], ["--label-smoothing"]),
        (["generate", "--pairing", "b"], ["balanced"]),
        (["generate", "--strategy", "re"], ["resizemix"]),
        (["generate", "--mix-option", "m"], ["min_ratio=0", "max_ratio=0"]),
        (["generate", "--strategy", "patches:2", "--strategy", "multi", "--mix-option", ""],
         ["grid=4", "shuffle=false", "sources=3"]),
        (["completion", "z"], ["zsh"]),
    ],
)  # fmt: skip
def test_words_are_completed(words, offered):
    assert completed(*words) == offered


def test_the_script_for_bash_completes_in_bash():
    bash = shutil.which("bash")
    assert bash, "a shell to try it in"
    script = CliRunner().invoke(main, ["completion", "bash"]).output
    # The script calls the program by its name, which need not be on the path here.
    script = script.replace(
        "$1)", f'"{sys.executable}" -c "from cutmix_gen.cli import main; main(prog_name=\'cutmix-gen\')")'
    )
    ask = "COMP_WORDS=(cutmix-gen generate --strategy smoo)\nCOMP_CWORD=3\n_cutmix_gen_completion cutmix-gen\n"
    ask += "echo ${COMPREPLY[@]}"
    done = subprocess.run([bash, "-c", script + ask], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "smoothmix"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell):
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_CUTMIX_GEN_COMPLETE={shell}_complete" in result.output
