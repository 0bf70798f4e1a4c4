# Completion of tunneld(8) for bash.
_tunneld() {
    local word=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -c | --config)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W '-c --config --check -v --verbose --version -h --help' -- "$word")
        ;;
    esac
}
complete -F _tunneld tunneld
