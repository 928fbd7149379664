; local a = require("…"), local a = require("…").b
(variable_declaration (assignment_statement (expression_list value: [
  (function_call
    name: (identifier) @require
    arguments: (arguments . (string content: (string_content) @module) .))
  (dot_index_expression table: (function_call
    name: (identifier) @require
    arguments: (arguments . (string content: (string_content) @module) .)))
])))

; require("…"), require("…").a()
(function_call
  name: (identifier) @require
  arguments: (arguments . (string content: (string_content) @module) .))
(function_call name: (_ table: (function_call
  name: (identifier) @require
  arguments: (arguments . (string content: (string_content) @module) .))))
