(comment) @comment
[(string) (subshell) (regex) (heredoc_body) (string_array) (symbol_array) (delimited_symbol)] @string
(interpolation) @code
