(function_declaration
  name: (_) @name
  parameters: (_) @parameters
  body: (_)? @body) @function

; name = function(…) … end
([
  (variable_declaration
    (assignment_statement
      (variable_list . name: (_) @name)
      (expression_list . value: (function_definition
        parameters: (_) @parameters
        body: (_)? @body))))
  (assignment_statement
    (variable_list . name: [(identifier) (dot_index_expression)] @name)
    (expression_list . value: (function_definition
      parameters: (_) @parameters
      body: (_)? @body)))
  (field
    name: (_) @name
    value: (function_definition
      parameters: (_) @parameters
      body: (_)? @body))
] @function)

(chunk (variable_declaration
  (assignment_statement
    (variable_list . name: (_) @name))) @value)
