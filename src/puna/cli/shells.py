"""The scripts that teach a shell to complete ``puna``; each asks ``puna __complete`` with the words typed so far."""

from __future__ import annotations

# bash takes ":" and "=" for ends of words; a name such as qwen3:4b is one word all the same. Words come as they were
# typed, with their quotes and backslashes, which are taken off; those of a file's name are put in again by the shell.
_BASH = r"""# bash completion for puna
_puna() {
    local line=${COMP_LINE:0:COMP_POINT} char quote="" cur="" begun="" IFS=$' \t\n'
    local -a words=()
    local -i at
    for ((at = 0; at < ${#line}; at++)); do
        char=${line:at:1}
        if [[ -n $quote && $char == "$quote" ]]; then
            quote=""
        elif [[ -z $quote && $char == [\'\"] ]]; then
            quote=$char begun=1
        elif [[ $char == \\ && $quote != \' ]]; then
            cur+=${line: ++at:1} begun=1
        elif [[ -z $quote && $char == [[:space:]] ]]; then
            [[ -z $begun ]] || words+=("$cur")
            cur="" begun=""
        else
            cur+=$char begun=1
        fi
    done
    COMPREPLY=()
    local text cut="" file=""
    if [[ -z $quote && $cur == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]]; then
        cut=${cur%"${cur##*[:=]}"}
    fi
    while IFS=$'\t' read -r text _; do
        COMPREPLY+=("${text#"$cut"}")
        [[ ! -e ${text/#~\//$HOME/} ]] || file=1
    done < <("${words[0]}" __complete -- "${words[@]:1}" "$cur" 2>/dev/null)
    if [[ -n $file ]]; then
        compopt -o filenames
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace
    fi
}
complete -F _puna puna
"""

_ZSH = r"""#compdef puna
_puna() {
    local line text
    local -a described folders
    while IFS= read -r line; do
        text=${line%%$'\t'*}
        if [[ $text == "~/"* ]]; then  # what is quoted is no home
            compadd -Q -S "${${text:#*/}:+ }" -- "~/${(q)text#"~/"}"
        elif [[ $text == */ ]]; then
            folders+=("$text")
        else
            described+=("${text//:/\\:}:${line#*$'\t'}")
        fi
    done < <("${words[1]}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    (( $#described )) && _describe 'puna' described
    (( $#folders )) && compadd -S '' -- "${folders[@]}"
}
if [[ $funcstack[1] == _puna ]]; then
    _puna "$@"
else
    compdef _puna puna
fi
"""

_FISH = r"""# fish completion for puna
function __puna_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct | string replace -r '^["\']' '' | string unescape)
    $words[1] __complete -- $words[2..-1] "$word" 2>/dev/null
end
complete -c puna -f -a '(__puna_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""The script for each shell that there is one for."""
