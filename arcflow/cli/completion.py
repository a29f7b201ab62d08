"""``arcflow completion``: what lets a shell complete commands, options and config names."""

import argparse
from collections.abc import Sequence

from arcflow.cli.config_names import run_configs
from arcflow.cli.main import RUNS, TOOLS
from arcflow.cli.option_index import read_index
from arcflow.cli.option_tree import option_names
from arcflow.tools.run import run

_BASH = """# arcflow's completion for bash; written by `arcflow completion bash`.
_arcflow() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} options=
    COMPREPLY=()
    # Readline takes the equals sign as a word of its own.
    if [ "$current" = "=" ]; then current=; fi
    if [ "$before" = "=" ] && [ "$COMP_CWORD" -ge 2 ]; then
        before=${{COMP_WORDS[COMP_CWORD-2]}}
        case $before in -c|--config) ;; *) before=file ;; esac
    fi
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$current"))
        return
    fi
    case $before in
        -c|--config)
            COMPREPLY=($(compgen -W "{configs}" -- "$current") $(compgen -f -- "$current"))
            return ;;
        completion) COMPREPLY=($(compgen -W "bash zsh" -- "$current")); return ;;
        generate) COMPREPLY=($(compgen -W "inputs" -- "$current")); return ;;
    esac
    case $current in
        -*) ;;
        *) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
}}
complete -o default -F _arcflow arcflow
"""
_ZSH = """# arcflow's completion for zsh; written by `arcflow completion zsh`.
autoload -Uz compinit bashcompinit
compinit -i
bashcompinit
"""


def main(argv: Sequence[str]) -> int:
    """Run the tool.

    Args:
        argv: The words after ``arcflow completion``.

    Returns:
        The exit code: 0, or 2 after a user's mistake.
    """
    parser = argparse.ArgumentParser(
        prog="arcflow completion",
        description="Print a script that lets the shell complete commands, options and names of "
        'configs. In ~/.bashrc or ~/.zshrc: eval "$(arcflow completion bash)", or zsh.',
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that reads the script")
    return run(parser, lambda options: print(script(options.shell), end=""), argv)


def script(shell: str) -> str:
    """Return the completion script.

    Args:
        shell: ``"bash"`` or ``"zsh"``; zsh reads the script of bash in its own bash mode.

    Returns:
        Shell code that defines a function and registers it for ``arcflow``.
    """
    tools = read_index()["tools"]
    options = {command: option_names(command) for command in RUNS}
    shared = sorted(set.intersection(*map(set, options.values())))
    cases = [f'        {"|".join(RUNS)}) options="{" ".join(shared)}" ;;', "    esac"]
    cases.append("    case ${COMP_WORDS[1]} in")
    for command, names in options.items():
        own = [name for name in names if name not in shared]
        cases.append(f'        {command}) options="$options {" ".join(own)}" ;;')
    cases += [f'        {tool}) options="{" ".join(names)}" ;;' for tool, names in tools.items()]
    bash = _BASH.format(
        commands=" ".join((*RUNS, *TOOLS)),
        configs=" ".join(run_configs()),
        cases="\n".join(cases),
    )
    return bash if shell == "bash" else _ZSH + bash
