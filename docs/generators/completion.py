"""What completes commands in bash, zsh and fish, from the commands' own arguments; one file a shell, below `system/`.

Each is plain text that asks nobody anything, so a key pressed starts no Python. What completes a value is told by how
the value is called: `FILE|PACK` is a file or a pack. Of `netguard run`, options end at the guest's first word, which is
a script; behind `--` stands any command, and it is completed as it would be without netguard.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from generators.words import NOTE
from netguard.commands import COMMANDS
from netguard.commands.manual import arguments, parser_of, value_of
from netguard.policy.load import pack_names

MADE = "# " + NOTE.format(source="the commands in `netguard/commands/` or `docs/generators/completion.py`")

#: What a value is: one of some words, a rule file or pack, a folder, a file, or nothing that a shell could know.
WORDS, RULES, FOLDER, FILE, NOTHING = "words", "rules", "folder", "file", "nothing"


class Argument(NamedTuple):
    """An argument as shells ask of it: `option` is "" for one that has only a place."""

    option: str
    takes: bool
    value: str
    words: tuple[str, ...]
    again: bool
    help: str


def kind_of(action: argparse.Action) -> str:
    """What completes the value of an argument."""
    value = value_of(action)
    signs = {"PACK": RULES, "DIR": FOLDER, "FILE": FILE, "PATH": FILE, "TRAIL": FILE}
    return WORDS if action.choices else next((kind for sign, kind in signs.items() if sign in value), NOTHING)


def read(action: argparse.Action) -> Argument:
    """The argument of argparse's."""
    option = action.option_strings[-1] if action.option_strings else ""
    again = isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")
    words = tuple(map(str, action.choices or ()))
    return Argument(option, action.nargs != 0, kind_of(action), words, again, action.help or "")


def known() -> dict[str, list[Argument]]:
    """The arguments of every command."""
    return {name: [read(action) for action in arguments(parser_of(name))] for name in COMMANDS}


def valued() -> list[str]:
    """The options of `run` that take the next word, so that it is no guest's."""
    return [argument.option for argument in known()["run"] if argument.takes]


# bash

BASH = r"""
_netguard_files() {
    compopt -o default  # what bash does by itself, with its own way of quoting
}

_netguard_rules() {
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -W "@packs@" -- "$1"; compgen -f -- "$1")
}

# The guest's part of `run`, which begins at this word: a command's own completion, a script, or what follows it.
_netguard_guest() {
    local at=$1 word=$2
    if [[ ${COMP_WORDS[at]} == -- ]]; then
        if declare -F _comp_command_offset > /dev/null; then
            _comp_command_offset $((at + 1))
        elif declare -F _command_offset > /dev/null; then
            _command_offset $((at + 1))
        elif ((COMP_CWORD == at + 1)); then
            compopt -o filenames  # or what a file here is called would be run
            mapfile -t COMPREPLY < <(compgen -c -- "$word")
        else
            _netguard_files
        fi
    elif ((COMP_CWORD > at)) || [[ $word != -* ]]; then
        _netguard_files
    fi
}

# Where the guest's part of `run` begins among the words before the one that is typed.
_netguard_begin() {
    local at=2
    while ((at < COMP_CWORD)); do
        case ${COMP_WORDS[at]} in
            -- | -m* | -c*) break ;;
            @valued@)
                ((at += 2))
                while [[ ${COMP_WORDS[at - 1]} == [=:@]* || ${COMP_WORDS[at]} == [=:@]* ]]; do
                    ((at += 1))  # bash takes a value apart at these
                done ;;
            -*) ((at += 1)) ;;
            *) break ;;
        esac
    done
    echo $at
}

_netguard() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "@commands@ --help --version" -- "$word")
        return
    fi
    if [[ ${COMP_WORDS[1]} == run ]]; then
        at=$(_netguard_begin)
        if ((at < COMP_CWORD)); then
            _netguard_guest "$at" "$word"
            return
        fi
    fi
    if [[ $word == = ]]; then  # --option=, which bash takes apart
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case "${COMP_WORDS[1]} $before" in
@values@
    esac
    if [[ $word == -* ]]; then
        case ${COMP_WORDS[1]} in
@options@
        esac
        return
    fi
    case ${COMP_WORDS[1]} in
@places@
    esac
}

complete -F _netguard netguard
"""


def bash_value(argument: Argument) -> str:
    """The command that completes an argument's value."""
    words = f'mapfile -t COMPREPLY < <(compgen -W "{" ".join(argument.words)}" -- "$word")'
    return {
        WORDS: words,
        RULES: '_netguard_rules "$word"',
        FOLDER: "compopt -o dirnames",
        FILE: "_netguard_files",
        NOTHING: ":",
    }[argument.value]


def bash_values(found: dict[str, list[Argument]]) -> Iterator[str]:
    """A case for each way to complete an option's value."""
    cases: dict[str, list[str]] = {}
    for name, of in found.items():
        for argument in of:
            if argument.option and argument.takes:
                cases.setdefault(bash_value(argument), []).append(f'"{name} {argument.option}"')
    for does, asked in cases.items():
        yield f"        {' | '.join(asked)})\n            {does}\n            return ;;"


def bash() -> str:
    """The completion of bash."""
    found = known()
    options = [
        f'            {name}) mapfile -t COMPREPLY < <(compgen -W "'
        f'{" ".join([argument.option for argument in of if argument.option])} --help" -- "$word") ;;'
        for name, of in found.items()
    ]
    places = [
        f"        {name}) {bash_value(argument)} ;;"
        for name, of in found.items()
        for argument in [argument for argument in of if not argument.option][:1]
    ]
    return filled(
        f"# Completes netguard(1) in bash 4 and later. {MADE[2:]}\n{BASH}",
        packs=" ".join(pack_names()),
        valued=" | ".join(valued()),
        commands=" ".join(COMMANDS),
        values="\n".join(bash_values(found)),
        options="\n".join(options),
        places="\n".join([*places, "        run) _netguard_files ;;"]),
    )


# zsh

ZSH = r"""
_netguard_rules() {
    _alternative 'packs:pack:(@packs@)' 'files:rule file:_files'
}

# The guest's part of `run`, if the word that is typed lies in it: a command's own completion, a script, what follows.
_netguard_guest() {
    local -i at=2
    while (( at < CURRENT )); do
        case $words[at] in
            --) shift $at words; (( CURRENT -= at )); _normal; return 0 ;;
            -m*|-c*) _files; return 0 ;;
            (@valued@) (( at += 2 )) ;;
            -*) (( at += 1 )) ;;
            *) _files; return 0 ;;
        esac
    done
    return 1
}

_netguard() {
    local curcontext=$curcontext state line
    local -a known  # not `commands`, which is the shell's own table
    known=(
@commands@
    )
    _arguments -C '(- *)--help[show help]' '(- *)--version[show the version]' '1: :->command' '*:: :->arguments'
    case $state in
        command) _describe command known ;;
        arguments)
            case $words[1] in
@arguments@
            esac ;;
    esac
}

if [[ $funcstack[1] == _netguard ]]; then
    _netguard "$@"
else
    compdef _netguard netguard
fi
"""


def zsh_text(text: str) -> str:
    """Text within the quotes and brackets of `_arguments`."""
    for sign in "\\[]:":
        text = text.replace(sign, "\\" + sign)
    return text.replace("'", "'\\''")


def zsh_value(argument: Argument) -> str:
    """The action that completes an argument's value."""
    return {
        WORDS: f"({' '.join(argument.words)})",
        RULES: "_netguard_rules",
        FOLDER: "_files -/",
        FILE: "_files",
        NOTHING: " ",
    }[argument.value]


def zsh_argument(argument: Argument) -> str:
    """One argument as `_arguments` takes it."""
    if not argument.option:
        return f"'{'*' if argument.again else ''}:{zsh_text(argument.help)}:{zsh_value(argument)}'"
    again = "*" if argument.again else ""
    value = f":{argument.value}:{zsh_value(argument)}" if argument.takes else ""
    return f"'{again}{argument.option}{'=' * argument.takes}[{zsh_text(argument.help)}]{value}'"


def zsh_command(name: str, of: list[Argument]) -> str:
    """The case of one command."""
    lines = ["'(- *)--help[show help]'", *[zsh_argument(argument) for argument in of]]
    before = "_netguard_guest || " if name == "run" else ""
    if name == "run":
        lines.append("'1:script:_files -g \"*.py(-.)\"'")
    body = " \\\n".join([f"                        {line}" for line in lines])
    return f"                {name})\n                    {before}_arguments \\\n{body} ;;"


def zsh() -> str:
    """The completion of zsh."""
    commands = [f"        '{zsh_text(name)}:{zsh_text(summary)}'" for name, summary in COMMANDS.items()]
    return filled(
        f"#compdef netguard\n# Completes netguard(1) in zsh. {MADE[2:]}\n{ZSH}",
        packs=" ".join(pack_names()),
        valued="|".join(valued()),
        commands="\n".join(commands),
        arguments="\n".join([zsh_command(name, of) for name, of in known().items()]),
    )


# fish

FISH = r"""
# How many words stand before the guest's part of `run`, if the word that is typed lies in it.
function __netguard_guest
    set -l words (commandline -opc)
    test "$words[2]" = run; or return 1
    set -l at 3
    while test $at -le (count $words)
        switch $words[$at]
            case @valued@
                set at (math $at + 2)
            case '--' '-m*' '-c*'
                echo $at
                return 0
            case '-*'
                set at (math $at + 1)
            case '*'
                echo $at
                return 0
        end
    end
    return 1
end

# Whether the word that is typed is this command's own.
function __netguard_at --argument-names wanted
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = $wanted; and not __netguard_guest > /dev/null
end

# Whether the guest is a command, whose own completion is asked; otherwise it is a script.
function __netguard_command
    set -l words (commandline -opc)
    set -l at (__netguard_guest); and test "$words[$at]" = --
end

function __netguard_completed
    set -l at (__netguard_guest)
    set -l words (commandline -opc)
    set -e words[1..$at]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

complete -c netguard -f
complete -c netguard -n __fish_use_subcommand -l help -d 'show help'
complete -c netguard -n __fish_use_subcommand -l version -d 'show the version'
complete -c netguard -n '__netguard_guest > /dev/null; and not __netguard_command' -F
complete -c netguard -n __netguard_command -a '(__netguard_completed)'
@commands@
@arguments@
"""


def fish_text(text: str) -> str:
    """Text within single quotes."""
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def fish_value(argument: Argument) -> str:
    """What completes an argument's value."""
    return {
        WORDS: f"-x -a '{' '.join(argument.words)}'",
        RULES: f"-r -F -a '{' '.join(pack_names())}'",
        FOLDER: "-x -a '(__fish_complete_directories (commandline -ct))'",
        FILE: "-r -F",
        NOTHING: "-x",
    }[argument.value]


def fish_argument(name: str, argument: Argument) -> str:
    """One line about one argument."""
    begin = f"complete -c netguard -n '__netguard_at {name}'"
    if not argument.option:
        return f"{begin} {fish_value(argument).replace('-r ', '').replace('-x ', '')}"
    value = [fish_value(argument)] if argument.takes else []
    return " ".join([begin, f"-l {argument.option[2:]}", *value, f"-d {fish_text(argument.help)}"])


def fish() -> str:
    """The completion of fish."""
    found = known()
    commands = [
        f"complete -c netguard -n __fish_use_subcommand -a {name} -d {fish_text(summary)}"
        for name, summary in COMMANDS.items()
    ]
    lines = [fish_argument(name, argument) for name, of in found.items() for argument in of]
    lines += [f"complete -c netguard -n '__netguard_at {name}' -l help -d 'show help'" for name in found]
    return filled(
        f"# Completes netguard(1) in fish 3 and later. {MADE[2:]}\n{FISH}",
        valued=" ".join(valued()),
        commands="\n".join(commands),
        arguments="\n".join([*lines, "complete -c netguard -n '__netguard_at run' -F"]),
    )


def filled(template: str, **parts: str) -> str:
    """The template with each `@name@` as its part."""
    for name, part in parts.items():
        template = template.replace(f"@{name}@", part)
    return template
