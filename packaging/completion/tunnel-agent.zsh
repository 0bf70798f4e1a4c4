#compdef tunnel-agent
local -a commands=(
    'enrol:make this machine a site of the hub that the keyfile names'
    'run:connect to the hub and publish the forwards'
    'check:look at every link of the chain to the hub and the targets'
    'status:what the running agent does'
)
local context state line curcontext=$curcontext
_arguments -C -s \
    '--state=[the state directory]:directory:_files -/' \
    '*-v[log more]' \
    '(- *)'{-V,--version}'[print the version]' \
    '(- *)'{-h,--help}'[print the usage]' \
    '1:command:{_describe command commands}' \
    '*::argument:->argument' && return
case $words[1] in
enrol) _arguments -s '(-y --yes)'{-y,--yes}'[do not ask]' '--state=[the state directory]:directory:_files -/' \
    '*-v[log more]' '1:keyfile:_files' ;;
run) _arguments -s '--keyfile=[enrol with it, if there is no site yet]:keyfile:_files' \
    '--state=[the state directory]:directory:_files -/' '*-v[log more]' ;;
check) _arguments -s '(-j --json)'{-j,--json}'[print JSON]' '--state=[the state directory]:directory:_files -/' \
    '*-v[log more]' '1:keyfile:_files' ;;
status) _arguments -s '(-j --json)'{-j,--json}'[print JSON]' '--state=[the state directory]:directory:_files -/' \
    '*-v[log more]' ;;
esac
