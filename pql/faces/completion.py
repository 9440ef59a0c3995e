"""Scripts that complete the command line in a shell, made from the verbs and options themselves."""

from __future__ import annotations

from typing import Any

SHELLS = ("bash", "zsh", "fish")
_FILES = ("--file", "--output")  # options that take one

_BASH = """_pql_files() {{
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -f -- "$word"))
}}
_pql() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="query" options=""
    if (( COMP_CWORD > 1 )); then
        case "${{COMP_WORDS[1]}}" in
            {verbs_piped}) verb="${{COMP_WORDS[1]}}" ;;
        esac
    fi
    COMPREPLY=()
    case "$before" in
        --format) COMPREPLY=($(compgen -W "{formats}" -- "$word")); return ;;
        --set)
            COMPREPLY=($(compgen -S = -W "{keys}" -- "$word"))
            compopt -o nospace +o filenames 2>/dev/null
            return ;;
        -f|--file|-o|--output) _pql_files; return ;;
        {others}) compopt +o default 2>/dev/null; return ;;
    esac
    case "$verb" in
{options}
    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W "{verbs}" -- "$word"))
        _pql_files
    elif [[ $verb == help ]]; then
        COMPREPLY=($(compgen -W "{codes}" -- "$word"))
    elif [[ $verb == completion ]]; then
        COMPREPLY=($(compgen -W "{shells}" -- "$word"))
    else
        _pql_files
    fi
}}
complete -o default -o filenames -F _pql pql
"""

_ZSH = """#compdef pql
_pql() {{
    local verb=query
    local -a verbs options
    verbs=(
{verbs}
    )
    if (( CURRENT > 2 )) && [[ -n ${{verbs[(r)${{words[2]}}:*]}} ]]; then
        verb=$words[2]
        words=(pql "${{(@)words[3,-1]}}")
        (( CURRENT-- ))
    elif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _alternative "verbs:verb:{{ _describe verb verbs }}" 'files:database:_files'
        return
    fi
    case $verb in
{options}
    esac
    case $verb in
        help) options+=('*:code:({codes})') ;;
        completion) options+=('1:shell:({shells})') ;;
        *) options+=('*:file:_files') ;;
    esac
    _arguments -s "${{options[@]}}"
}}
if ! whence compdef >/dev/null; then
    autoload -U compinit && compinit
fi
if [[ $funcstack[1] == _pql ]]; then  # read from a folder of $fpath
    _pql "$@"
else
    compdef _pql pql
fi
"""


def script(shell: str, app: Any) -> str:
    """The script of a shell of SHELLS for a typer application."""
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def _options(command: Any) -> list[Any]:
    """The options of a verb; its arguments aren't among them."""
    return [one for one in command.params if one.opts[0].startswith("-")]


def _takes(option: Any) -> str | None:
    """What stands after an option: flag (nothing), format, key, file, or None for what nobody can offer."""
    name = _long(option)
    return {"--format": "format", "--set": "key"}.get(name) or (
        "flag" if getattr(option, "is_flag", False) else "file" if name in _FILES else None
    )


def _long(option: Any) -> str:
    return max(option.opts, key=len)


def _bash(commands: Any) -> str:
    from pql.faces.settings import FORMATS, KEYS
    from pql.language.codes import CODES

    lines, others = [], set()
    for name, command in commands.items():
        forms = [form for one in _options(command) for form in one.opts]
        forms.sort(key=lambda form: (not form.startswith("--"), form))
        lines.append(f'        {name}) options="{" ".join([*forms, "--help", *_of_the_group(name)])}" ;;')
        others |= {form for one in _options(command) if _takes(one) is None for form in one.opts}
    return _BASH.format(
        verbs=" ".join(commands),
        verbs_piped="|".join(commands),
        formats=" ".join(FORMATS),
        keys=" ".join(KEYS),
        others="|".join(sorted(others)),
        options="\n".join(lines),
        codes=" ".join(CODES),
        shells=" ".join(SHELLS),
    )


def _of_the_group(verb: str) -> list[str]:
    return ["--version"] if verb == "query" else []


def _zsh(commands: Any) -> str:
    from pql.faces.settings import FORMATS, KEYS
    from pql.language.codes import CODES

    after = {
        "flag": "",
        "format": f":format:({' '.join(FORMATS)})",
        "key": f":key:{{ compadd -S = {' '.join(KEYS)} }}",
        "file": ":file:_files",
        None: ":value: ",
    }
    cases = []
    for name, command in commands.items():
        specs = [_zsh_spec(one.opts, one.help or "", after[_takes(one)]) for one in _options(command)]
        specs += [_zsh_spec(["--help"], "Show this message and exit.", "")]
        specs += [_zsh_spec([form], "Print the version.", "") for form in _of_the_group(name)]
        cases.append(f"        {name}) options=(\n" + "".join(f"            {one}\n" for one in specs) + "        ) ;;")
    verbs = [f"        {_single(name + ':' + _about(command))}" for name, command in commands.items()]
    return _ZSH.format(verbs="\n".join(verbs), options="\n".join(cases), codes=" ".join(CODES), shells=" ".join(SHELLS))


def _zsh_spec(forms: list[str], about: str, after: str) -> str:
    about = about.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    before = "*" if "--set" in forms else f"({' '.join(forms)})"
    if len(forms) == 1:
        return _single(f"{before}{forms[0]}[{about}]{after}")
    return f"{_single(before)}{{{','.join(forms)}}}{_single(f'[{about}]{after}')}"


def _fish(commands: Any) -> str:
    from pql.faces.settings import FORMATS, KEYS
    from pql.language.codes import CODES

    after = {
        "flag": "",
        "format": f" -x -a '{' '.join(FORMATS)}'",
        "key": f" -x -a '{' '.join(key + '=' for key in KEYS)}'",
        "file": " -r -F",
        None: " -x",
    }
    lines = ["complete -c pql -n __fish_use_subcommand -l version -d 'Print the version.'"]
    others = " ".join(name for name in commands if name != "query")
    for name, command in commands.items():
        lines.append(f"complete -c pql -n __fish_use_subcommand -a {name} -d {_quoted(_about(command))}")
        seen = f"__fish_seen_subcommand_from {name}" if name != "query" else f"not __fish_seen_subcommand_from {others}"
        for one in _options(command):
            forms = " ".join(("-l " if form.startswith("--") else "-s ") + form.lstrip("-") for form in one.opts)
            lines.append(f"complete -c pql -n '{seen}' {forms}{after[_takes(one)]} -d {_quoted(one.help or '')}")
    lines.append("complete -c pql -l help -d 'Show this message and exit.'")
    lines.append(f"complete -c pql -f -n '__fish_seen_subcommand_from help' -a '{' '.join(CODES)}'")
    lines.append(f"complete -c pql -f -n '__fish_seen_subcommand_from completion' -a '{' '.join(SHELLS)}'")
    return "\n".join(lines) + "\n"


def _about(command: Any) -> str:
    return (command.help or "").split("\n")[0]


def _single(text: str) -> str:
    """In quotes in which nothing is special but their end."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted(text: str) -> str:
    """In the quotes of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
