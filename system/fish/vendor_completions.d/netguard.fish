# Completes netguard(1) in fish 3 and later. Made by `python docs/make_reference.py`; change the commands in `netguard/commands/` or `docs/generators/completion.py` instead.

# How many words stand before the guest's part of `run`, if the word that is typed lies in it.
function __netguard_guest
    set -l words (commandline -opc)
    test "$words[2]" = run; or return 1
    set -l at 3
    while test $at -le (count $words)
        switch $words[$at]
            case --rules --log --log-fd --max-trail --suggest --default --session --tag --wall --keep-fd --status-fd --run
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
complete -c netguard -n __fish_use_subcommand -a run -d 'run a script, module or command under guard'
complete -c netguard -n __fish_use_subcommand -a check -d 'check rule files and run their tests'
complete -c netguard -n __fish_use_subcommand -a explain -d 'show which rule decides a request, and why the others do not'
complete -c netguard -n __fish_use_subcommand -a compile -d 'write the compiled form of rule files'
complete -c netguard -n __fish_use_subcommand -a watch -d 'show a run while it goes on'
complete -c netguard -n __fish_use_subcommand -a show -d 'show one event of a trail, and the rule that would decide it'
complete -c netguard -n __fish_use_subcommand -a verify -d 'check that a trail is whole'
complete -c netguard -n __fish_use_subcommand -a env -d 'print the variables that put a guard into a sandbox'
complete -c netguard -n __fish_use_subcommand -a install -d 'guard every Python of a virtual environment, for good'
complete -c netguard -n __fish_use_subcommand -a uninstall -d 'take the guard out of a virtual environment'
complete -c netguard -n __fish_use_subcommand -a status -d 'say whether this environment and this shell are guarded'
complete -c netguard -n __fish_use_subcommand -a doctor -d 'say what the wall can hold on this machine, and why'
complete -c netguard -n __fish_use_subcommand -a schema -d 'print the JSON Schema of rule files, for editors'
complete -c netguard -n __fish_use_subcommand -a completion -d 'print the completion of commands and options for a shell'
complete -c netguard -n '__netguard_at run' -l rules -r -F -a 'agent audit deny-all local-services loopback metadata package-install' -d 'file or pack; may be repeated (audit)'
complete -c netguard -n '__netguard_at run' -l log -r -F -d 'write the trail here, not in a folder of its own'
complete -c netguard -n '__netguard_at run' -l log-fd -x -d 'write the trail to this open descriptor'
complete -c netguard -n '__netguard_at run' -l max-trail -x -d 'how long the trail may grow; then, deny all (1GB)'
complete -c netguard -n '__netguard_at run' -l suggest -r -F -d 'write the rules that allow just what the run did'
complete -c netguard -n '__netguard_at run' -l default -x -a 'allow log deny' -d 'if no rule matches, whatever the files say'
complete -c netguard -n '__netguard_at run' -l dry-run -d 'decide and record, but deny nothing'
complete -c netguard -n '__netguard_at run' -l session -x -d 'what the run belongs to, on every line'
complete -c netguard -n '__netguard_at run' -l tag -x -d 'a label on every line; may be repeated'
complete -c netguard -n '__netguard_at run' -l wall -x -a 'auto require off' -d 'kernel wall: the best there is; or none'
complete -c netguard -n '__netguard_at run' -l keep-fd -x -d 'let the guest have this descriptor'
complete -c netguard -n '__netguard_at run' -l keep-stragglers -d 'wait for what outlives the program; else, 5 s'
complete -c netguard -n '__netguard_at run' -l status-fd -x -d 'say there whose the exit status is'
complete -c netguard -n '__netguard_at run' -l quiet -d 'no summary and no lines about denials'
complete -c netguard -n '__netguard_at run' -l live -d 'show the run below what the program writes'
complete -c netguard -n '__netguard_at run' -l run -x -d 'the run\'s name, and of its folder'
complete -c netguard -n '__netguard_at check' -F -a 'agent audit deny-all local-services loopback metadata package-install'
complete -c netguard -n '__netguard_at check' -l strict -d 'a grant that rests on the guest\'s word is an error'
complete -c netguard -n '__netguard_at check' -l injection -d 'what cannot hold without a supervisor is an error'
complete -c netguard -n '__netguard_at check' -l default -x -a 'allow log deny' -d 'if no rule matches, whatever the files say'
complete -c netguard -n '__netguard_at explain' -F -a 'agent audit deny-all local-services loopback metadata package-install'
complete -c netguard -n '__netguard_at explain' -x
complete -c netguard -n '__netguard_at explain' -l default -x -a 'allow log deny' -d 'if no rule matches, whatever the files say'
complete -c netguard -n '__netguard_at compile' -F -a 'agent audit deny-all local-services loopback metadata package-install'
complete -c netguard -n '__netguard_at compile' -l output -r -F -d 'the file to write; without it: standard output'
complete -c netguard -n '__netguard_at compile' -l default -x -a 'allow log deny' -d 'if no rule matches, whatever the files say'
complete -c netguard -n '__netguard_at watch' -F
complete -c netguard -n '__netguard_at show' -F
complete -c netguard -n '__netguard_at show' -x
complete -c netguard -n '__netguard_at show' -l run -x -d 'of this run, by the beginning of its name'
complete -c netguard -n '__netguard_at show' -l chain -x -d 'of this chain, by its name or its process'
complete -c netguard -n '__netguard_at show' -l json -d 'print the line, and those about it, as they stand there'
complete -c netguard -n '__netguard_at verify' -F
complete -c netguard -n '__netguard_at verify' -l live -d 'the run still writes: an unfinished last line is no fault'
complete -c netguard -n '__netguard_at verify' -l json -d 'print the report as one JSON object'
complete -c netguard -n '__netguard_at env' -l rules -r -F -a 'agent audit deny-all local-services loopback metadata package-install' -d 'rule file or pack; may be repeated'
complete -c netguard -n '__netguard_at env' -l log -r -F -d 'the file or unix socket that the lines go to'
complete -c netguard -n '__netguard_at env' -l log-fd -x -d 'the open descriptor that they go to'
complete -c netguard -n '__netguard_at env' -l session -x -d 'what the runs belong to, on every line'
complete -c netguard -n '__netguard_at env' -l tag -x -d 'a label on every line; may be repeated'
complete -c netguard -n '__netguard_at env' -l dry-run -d 'decide and record, but deny nothing'
complete -c netguard -n '__netguard_at env' -l run -x -d 'what the run is called, on every line'
complete -c netguard -n '__netguard_at env' -l policy -r -F -d 'where to write the policy (netguard.policy)'
complete -c netguard -n '__netguard_at env' -l policy-at -r -F -d 'where the sandbox finds it, if elsewhere'
complete -c netguard -n '__netguard_at env' -l guest -x -a '(__fish_complete_directories (commandline -ct))' -d 'copy here what a sandbox needs of netguard'
complete -c netguard -n '__netguard_at env' -l starter -x -a '(__fish_complete_directories (commandline -ct))' -d 'where the sandbox finds the starter, if elsewhere'
complete -c netguard -n '__netguard_at env' -l format -x -a 'shell docker json' -d 'how the variables are written (shell)'
complete -c netguard -n '__netguard_at install' -l venv -x -a '(__fish_complete_directories (commandline -ct))' -d 'the virtual environment'
complete -c netguard -n '__netguard_at install' -l rules -r -F -a 'agent audit deny-all local-services loopback metadata package-install' -d 'rule file or pack; may be repeated'
complete -c netguard -n '__netguard_at install' -l log -r -F -d 'the file or unix socket that the lines go to'
complete -c netguard -n '__netguard_at install' -l log-fd -x -d 'the open descriptor that they go to'
complete -c netguard -n '__netguard_at install' -l session -x -d 'what the runs belong to, on every line'
complete -c netguard -n '__netguard_at install' -l tag -x -d 'a label on every line; may be repeated'
complete -c netguard -n '__netguard_at install' -l dry-run -d 'decide and record, but deny nothing'
complete -c netguard -n '__netguard_at install' -l copy -d 'copy what guards, so that netguard itself can go away'
complete -c netguard -n '__netguard_at uninstall' -l venv -x -a '(__fish_complete_directories (commandline -ct))' -d 'the virtual environment'
complete -c netguard -n '__netguard_at uninstall' -l quiet -d 'do not list what is removed'
complete -c netguard -n '__netguard_at status' -l venv -x -a '(__fish_complete_directories (commandline -ct))' -d 'this virtual environment, and not the shell'
complete -c netguard -n '__netguard_at status' -l json -d 'print one JSON object'
complete -c netguard -n '__netguard_at doctor' -l json -d 'print one JSON object'
complete -c netguard -n '__netguard_at schema' -l line -x -a 'yaml toml json' -d 'print the line that names it (yaml)'
complete -c netguard -n '__netguard_at completion' -a 'bash zsh fish'
complete -c netguard -n '__netguard_at run' -l help -d 'show help'
complete -c netguard -n '__netguard_at check' -l help -d 'show help'
complete -c netguard -n '__netguard_at explain' -l help -d 'show help'
complete -c netguard -n '__netguard_at compile' -l help -d 'show help'
complete -c netguard -n '__netguard_at watch' -l help -d 'show help'
complete -c netguard -n '__netguard_at show' -l help -d 'show help'
complete -c netguard -n '__netguard_at verify' -l help -d 'show help'
complete -c netguard -n '__netguard_at env' -l help -d 'show help'
complete -c netguard -n '__netguard_at install' -l help -d 'show help'
complete -c netguard -n '__netguard_at uninstall' -l help -d 'show help'
complete -c netguard -n '__netguard_at status' -l help -d 'show help'
complete -c netguard -n '__netguard_at doctor' -l help -d 'show help'
complete -c netguard -n '__netguard_at schema' -l help -d 'show help'
complete -c netguard -n '__netguard_at completion' -l help -d 'show help'
complete -c netguard -n '__netguard_at run' -F
