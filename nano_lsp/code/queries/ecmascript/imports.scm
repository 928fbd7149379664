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
