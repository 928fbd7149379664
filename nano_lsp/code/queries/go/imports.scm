(import_declaration (import_spec
  name: (_)? @name
  path: (interpreted_string_literal (interpreted_string_literal_content) @module)))

(import_declaration (import_spec_list (import_spec
  name: (_)? @name
  path: (interpreted_string_literal (interpreted_string_literal_content) @module))))
