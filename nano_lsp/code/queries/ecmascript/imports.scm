; names of a module
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @original alias: (_)? @name)))
  source: (string (string_fragment) @module))
(export_statement
  (export_clause (export_specifier name: (_) @original alias: (_)? @name))
  source: (string (string_fragment) @module))

; its default
(import_statement
  (import_clause (identifier) @default)
  source: (string (string_fragment) @module))

; the whole module
(import_statement
  (import_clause (namespace_import (identifier) @name))
  source: (string (string_fragment) @module))
(export_statement
  "*" @all
  source: (string (string_fragment) @module))

; const name = require("…"); const { name } = require("…");
([
  (lexical_declaration (variable_declarator
    name: [
      (identifier) @name
      (object_pattern (shorthand_property_identifier_pattern) @original)
    ]
    value: (call_expression
      function: (identifier) @require
      arguments: (arguments (string (string_fragment) @module)))))
  (variable_declaration (variable_declarator
    name: [
      (identifier) @name
      (object_pattern (shorthand_property_identifier_pattern) @original)
    ]
    value: (call_expression
      function: (identifier) @require
      arguments: (arguments (string (string_fragment) @module)))))
])

; await import("…")
(lexical_declaration (variable_declarator
  name: [
    (identifier) @name
    (object_pattern (shorthand_property_identifier_pattern) @original)
  ]
  value: (await_expression (call_expression
    function: (import)
    arguments: (arguments (string (string_fragment) @module))))))

; the whole module, under a name
(export_statement
  (namespace_export (identifier) @name)
  source: (string (string_fragment) @module))

; what the file passes on under a name: Name as name, default, module.exports
(export_statement
  !source
  (export_clause (export_specifier name: (_) @own alias: (_)? @name)))
(export_statement "default" value: (identifier) @own_default)
(expression_statement (assignment_expression
  left: (member_expression) @exports
  right: [
    (identifier) @own_default
    (object (shorthand_property_identifier) @own)
    (object (pair key: (property_identifier) @name value: (identifier) @own))
  ]))
