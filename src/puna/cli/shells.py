"""The scripts that teach a shell to complete ``puna``; each asks ``puna __complete`` with the words typed so far."""

from __future__ import annotations

# bash takes ":" and "=" for ends of words; a name such as qwen3:4b is one word all the same.
_BASH = r"""# bash completion for puna
_puna() {
    local line=${COMP_LINE:0:COMP_POINT} cur="" IFS=$' \t\n'
    local -a words
    read -ra words <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        cur=${words[-1]}
        unset "words[-1]"
    fi
    COMPREPLY=()
    local text cut=""
    if [[ $cur == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]]; then
        cut=${cur%"${cur##*[:=]}"}
    fi
    while IFS=$'\t' read -r text _; do
        COMPREPLY+=("${text#"$cut"}")
    done < <("${words[0]}" __complete -- "${words[@]:1}" "$cur" 2>/dev/null)
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
        if [[ $text == */ ]]; then
            folders+=("$text")
        else
            described+=("${text//:/\\:}:${line#*$'\t'}")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
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
    $words[1] __complete -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c puna -f -a '(__puna_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""The script for each shell that there is one for."""
