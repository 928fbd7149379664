([
  (function_declaration
    name: (_) @name
    parameters: (_) @parameters
    body: (_) @body)
  (generator_function_declaration
    name: (_) @name
    parameters: (_) @parameters
    body: (_) @body)
  (method_definition
    name: (_) @name
    parameters: (_) @parameters
    body: (_) @body)
] @function)

; const name = (…) => { … };
([
  (lexical_declaration
    . (variable_declarator
      name: (identifier) @name
      value: [
        (arrow_function parameters: (_) @parameters body: (_) @body)
        (arrow_function parameter: (_) @parameters body: (_) @body)
        (function_expression parameters: (_) @parameters body: (_) @body)
      ]) .)
  (variable_declaration
    . (variable_declarator
      name: (identifier) @name
      value: [
        (arrow_function parameters: (_) @parameters body: (_) @body)
        (arrow_function parameter: (_) @parameters body: (_) @body)
        (function_expression parameters: (_) @parameters body: (_) @body)
      ]) .)
] @function)

; exports.name = function (…) { … };
(expression_statement
  (assignment_expression
    left: (member_expression property: (_) @name)
    right: [
      (arrow_function parameters: (_) @parameters body: (_) @body)
      (function_expression parameters: (_) @parameters body: (_) @body)
    ])) @function

; name: function (…) { … } in an object
(pair
  key: (property_identifier) @name
  value: [
    (arrow_function parameters: (_) @parameters body: (_) @body)
    (function_expression parameters: (_) @parameters body: (_) @body)
  ]) @function

; export default function (…) { … }
(export_statement
  "default" @name
  value: [
    (arrow_function parameters: (_) @parameters body: (_) @body)
    (arrow_function parameter: (_) @parameters body: (_) @body)
    (function_expression parameters: (_) @parameters body: (_) @body)
  ]) @function

(class_declaration
  name: (_) @name
  body: (_) @body) @class

; a single name that holds no function
(lexical_declaration
  . (variable_declarator name: (identifier) @name) .) @value

(export_statement) @wrapper

; (function () { … })(), describe("…", () => { … })
(expression_statement (call_expression
  function: (parenthesized_expression [
    (function_expression body: (_) @body)
    (arrow_function body: (_) @body)
  ]))) @group
(expression_statement (call_expression
  arguments: (arguments [
    (function_expression body: (_) @body)
    (arrow_function body: (statement_block) @body)
  ]))) @group
