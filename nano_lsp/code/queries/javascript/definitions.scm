; What only JavaScript has. The rest: ecmascript/.
(field_definition
  property: (_) @name
  value: [
    (arrow_function parameters: (_) @parameters body: (_) @body)
    (arrow_function parameter: (_) @parameters body: (_) @body)
  ]) @function

(field_definition property: (_) @name) @value
