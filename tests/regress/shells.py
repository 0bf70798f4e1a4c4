#!/usr/bin/python3
"""A shell at a terminal, in which somebody types; completion is what a tabulator in it brings.

    shells.py bash|zsh SETUP TYPED      prints what stands on the command line then, and below it
                                        what the shell has written to the terminal meanwhile

SETUP is a file that the shell reads first.  Standard library only; every wait has a limit.
"""
import os
import pty
import re
import select
import sys
import tempfile
import time

LIMIT_S = 30 * int(os.environ.get("SLOW", "1"))
SHOW = {
    "bash": """PS1='READY> '
bind 'set show-all-if-ambiguous on' 'set completion-query-items 0' 'set page-completions off'
bind 'set enable-bracketed-paste off'
bind -x '"\\C-g": printf "LINE<%s>\\n" "$READLINE_LINE"'
""",
    "zsh": """PS1='READY> '
unset zle_bracketed_paste
show() { zle -I; print -r -- "LINE<$BUFFER>" }
zle -N show
bindkey '^G' show
""",
}
COMMAND = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


class Terminal:
    def __init__(self, command):
        pid, self.end = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb" if command[0] == "bash" else "vt100", COLUMNS="200", LINES="60")
            os.execvp(command[0], command)
        self.pid, self.seen = pid, ""

    def type(self, text):
        os.write(self.end, text.encode())

    def wait(self, pattern):
        """What came up to the pattern, which is then behind us."""
        until = time.monotonic() + LIMIT_S
        while not (found := re.search(pattern, self.seen, re.S)):
            if not select.select([self.end], [], [], max(0, until - time.monotonic()))[0]:
                sys.exit("nothing like %s in: %r" % (pattern, self.seen))
            self.seen += os.read(self.end, 65536).decode(errors="replace")
        before, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return before, found


def main(shell, setup, typed):
    with tempfile.NamedTemporaryFile("w") as file:
        with open(setup, encoding="utf-8") as lines:
            file.write(lines.read() + SHOW[shell])
        file.flush()
        terminal = Terminal(COMMAND[shell])
        # The echo of the command has no READY in it.
        terminal.type(". %s; printf 'IS %%s\\n' THERE\n" % file.name)
        terminal.wait(r"IS THERE.*READY> ")
        terminal.type(typed + "\a")
        written, line = terminal.wait(r"LINE<([^\r\n]*)>")
        print(line[1])
        print(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\0\a\b\r]", "", written))
        os.close(terminal.end)
        os.waitpid(terminal.pid, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
