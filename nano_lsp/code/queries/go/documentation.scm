[(func_literal) (function_type)] @scope

(_ parameters: (parameter_list (parameter_declaration name: (_) @parameter)))
(_ parameters: (parameter_list (variadic_parameter_declaration name: (_) @parameter)))

(_ result: (_) @returns (#not-match? @returns "^(error$|\\()"))
(_ result: (parameter_list (parameter_declaration type: (_) @returns (#not-eq? @returns "error"))))
(_ result: (type_identifier) @fails (#eq? @fails "error"))
(_ result: (parameter_list (parameter_declaration type: (type_identifier) @fails (#eq? @fails "error"))))
(call_expression function: (identifier) @panics (#eq? @panics "panic"))

; Not exported, and run by `go test`.
((function_declaration name: (_) @private)
  (#match? @private "^([a-z_]|(Test|Benchmark|Example|Fuzz)([A-Z_]|$))"))
((method_declaration name: (_) @private) (#match? @private "^[a-z_]"))
((method_elem name: (_) @private) (#match? @private "^[a-z_]"))
((type_spec name: (_) @private) (#match? @private "^[a-z_]"))
((method_declaration receiver: (parameter_list (parameter_declaration type: [
  (type_identifier) @private
  (pointer_type (type_identifier) @private)
  (generic_type type: (_) @private)
  (pointer_type (generic_type type: (_) @private))
]))) (#match? @private "^[a-z_]"))

(comment) @comment
(comment) @documentation
((comment) @directive
  (#match? @directive "^(//(go:|[a-z0-9]+:[a-z0-9]|export |extern |line |nolint|\\s*\\+build\\b)|/\\*line )"))
