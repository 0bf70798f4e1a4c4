#compdef tunneld
_arguments -s \
    '(-c --config)'{-c+,--config=}'[settings]:file:_files -g "*.yaml"' \
    '--check[validate the settings and exit]' \
    '*'{-v,--verbose}'[log more]' \
    '--version[print the version]' \
    '(-h --help)'{-h,--help}'[print the usage]'
