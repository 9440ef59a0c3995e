"""Scripts that complete the command line in a shell, made from the verbs and options themselves."""

from __future__ import annotations

from typing import Any

SHELLS = ("bash", "zsh", "fish")

_BASH = """_pql() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="query" options=""
    case "${{COMP_WORDS[1]}}" in
        {verbs_piped}) verb="${{COMP_WORDS[1]}}" ;;
    esac
    COMPREPLY=()
    case "$before" in
        --format) COMPREPLY=($(compgen -W "{formats}" -- "$word")); return ;;
        --set) COMPREPLY=($(compgen -S = -W "{keys}" -- "$word")); compopt -o nospace 2>/dev/null; return ;;
        -c|--command|--limit) return ;;
    esac
    case "$verb" in
{options}
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W "{verbs}" -- "$word") $(compgen -f -- "$word"))
    elif [[ $verb == help ]]; then
        COMPREPLY=($(compgen -W "{codes}" -- "$word"))
    elif [[ $verb == completion ]]; then
        COMPREPLY=($(compgen -W "{shells}" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _pql pql
"""

_ZSH = """#compdef pql
autoload -U +X compinit bashcompinit && {{ whence compdef >/dev/null || compinit; }} && bashcompinit
{bash}"""


def script(shell: str, app: Any) -> str:
    """The script of a shell of SHELLS for a typer application."""
    import typer

    from pql.faces.settings import FORMATS, KEYS
    from pql.language.codes import CODES

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name: _options(command) for name, command in commands.items()}
    if shell == "fish":
        return _fish(commands)
    lines = "\n".join(f'        {name}) options="{" ".join(words)}" ;;' for name, words in options.items())
    bash = _BASH.format(
        verbs=" ".join(commands),
        verbs_piped="|".join(commands),
        formats=" ".join(FORMATS),
        keys=" ".join(KEYS),
        options=lines,
        codes=" ".join(CODES),
        shells=" ".join(SHELLS),
    )
    return bash if shell == "bash" else _ZSH.format(bash=bash)


def _options(command: Any) -> list[str]:
    """The options of a verb, long forms first."""
    found = [name for one in command.params for name in one.opts if name.startswith("-")]
    return [*sorted(found, key=lambda name: (not name.startswith("--"), name)), "--help"]


def _fish(commands: Any) -> str:
    from pql.faces.settings import FORMATS, KEYS
    from pql.language.codes import CODES

    lines = ["complete -c pql -n __fish_use_subcommand -l version -d 'Print the version.'"]
    for name, command in commands.items():
        about = _quoted((command.help or "").split("\n")[0])
        lines.append(f"complete -c pql -n __fish_use_subcommand -a {name} -d {about}")
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        for one in command.params:
            forms = [("-l " if opt.startswith("--") else "-s ") + opt.lstrip("-") for opt in one.opts if opt[0] == "-"]
            if forms:
                words = {"--format": FORMATS, "--set": tuple(f"{key}=" for key in KEYS)}.get(one.opts[0], ())
                values = f" -x -a '{' '.join(words)}'" if words else "" if getattr(one, "is_flag", False) else " -r"
                lines.append(f"complete -c pql {seen} {' '.join(forms)}{values} -d {_quoted(one.help or '')}")
    lines.append(f"complete -c pql -f -n '__fish_seen_subcommand_from help' -a '{' '.join(CODES)}'")
    lines.append(f"complete -c pql -f -n '__fish_seen_subcommand_from completion' -a '{' '.join(SHELLS)}'")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
