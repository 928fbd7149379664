(lambda_expression) @scope
(linkage_specification body: [(declaration) (function_definition)]) @wrapper
(namespace_definition) @namespace

(function_declarator parameters: (parameter_list (optional_parameter_declaration declarator: (_) @parameter)))
(function_declarator parameters: (parameter_list (variadic_parameter_declaration declarator: (_) @parameter)))
(function_declarator parameters: (parameter_list "..." @parameter.text))
(template_parameter_list [
  (type_parameter_declaration (type_identifier) @type_parameter)
  (optional_type_parameter_declaration name: (_) @type_parameter)
  (variadic_type_parameter_declaration (type_identifier) @type_parameter)
  (parameter_declaration declarator: (_) @type_parameter)
  (optional_parameter_declaration declarator: (_) @type_parameter)
])

((field_declaration type: (_) @returns declarator: (function_declarator)) (#not-eq? @returns "void"))
(field_declaration declarator: (pointer_declarator (function_declarator)) @returns)
(field_declaration declarator: (reference_declarator (function_declarator)) @returns)
(function_definition declarator: (reference_declarator) @returns)
(declaration declarator: (reference_declarator (function_declarator)) @returns)
((function_definition type: (placeholder_type_specifier) body: (compound_statement (return_statement (_) @returns))))
(function_definition declarator: (operator_cast type: (_) @returns))
(trailing_return_type) @returns
(trailing_return_type (type_descriptor type: (_) @returns_nothing (#eq? @returns_nothing "void")))

(throw_statement (call_expression function: [(identifier) (qualified_identifier) (template_function)] @throws))
(throw_statement (compound_literal_expression type: (_) @throws))
((throw_statement) @rethrown (#match? @rethrown "^throw\\s*;"))
(try_statement body: (_) @protected (catch_clause) @handler)
(catch_clause parameters: (parameter_list (parameter_declaration type: (_) @caught)))

(class_specifier body: (field_declaration_list "{" @hides))
(field_declaration_list (access_specifier) @hides (#eq? @hides "private"))
(field_declaration_list (access_specifier) @shows (#not-eq? @shows "private"))
