"""The command line: presentation only.

`main` is the entry point. What commands exist and what they take is declared with click in the
`*_commands` modules, which stay light; what a command does is in the module named for it, which
is imported when the command is carried out.
"""
