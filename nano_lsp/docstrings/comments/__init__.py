"""Documentation comments: those of JavaScript, TypeScript, Go, Rust, Java, C, C++, C#, Ruby and Lua.

`forms` is a table with a row for each convention, `source` maps the lines of a comment to its source, `entries` finds
the entries of a comment and compares them with the code, `placing` makes the edit and checks it.
"""
