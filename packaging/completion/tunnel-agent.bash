# Completion of tunnel-agent(1) for bash.
_tunnel_agent() {
    local word=${COMP_WORDS[COMP_CWORD]} command='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --state | --keyfile) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --state)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --keyfile)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    case $command:$word in
    :-*) set -- --state --version --help ;;
    :*) set -- enrol run check status ;;
    enrol:-*) set -- --yes --state -v ;;
    run:-*) set -- --keyfile --state -v ;;
    check:-*) set -- --json --state -v ;;
    status:-*) set -- --json --state -v ;;
    enrol:* | check:*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    *) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
}
complete -F _tunnel_agent tunnel-agent
