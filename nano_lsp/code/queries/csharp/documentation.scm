[(lambda_expression) (anonymous_method_expression)] @scope
(namespace_declaration) @namespace

(parameter_list (parameter name: (_) @parameter))
(parameter_list name: (_) @parameter)
(_ (parameter_list (parameter name: (_) @component)) body: (declaration_list))
(record_declaration (parameter_list (parameter name: (_) @component)))
(type_parameter_list (type_parameter name: (_) @type_parameter))

(method_declaration returns: (_) @returns (#not-match? @returns "^(void|([\\w.]+\\.)?(Value)?Task)$"))
(local_function_statement type: (_) @returns (#not-match? @returns "^(void|([\\w.]+\\.)?(Value)?Task)$"))
(delegate_declaration type: (_) @returns (#not-eq? @returns "void"))

(throw_statement (object_creation_expression type: (_) @throws))
(throw_expression (object_creation_expression type: (_) @throws))
((invocation_expression function: (member_access_expression expression: (_) @throws name: (_) @_guard))
  (#match? @_guard "^ThrowIf"))
((throw_statement) @rethrown (#match? @rethrown "^throw\\s*;"))
(throw_statement (identifier) @rethrown)
(try_statement body: (_) @protected (catch_clause) @handler)
(catch_clause (catch_declaration type: (_) @caught))

([
  (method_declaration (modifier) @public)
  (constructor_declaration (modifier) @public)
  (delegate_declaration (modifier) @public)
  (class_declaration (modifier) @public)
  (interface_declaration (modifier) @public)
  (struct_declaration (modifier) @public)
  (record_declaration (modifier) @public)
  (enum_declaration (modifier) @public)
] (#any-of? @public "public" "protected"))
(interface_declaration body: (declaration_list (method_declaration name: (_) @public)))
(method_declaration (modifier) @private (#eq? @private "override"))

(comment) @comment
((comment) @documentation (#match? @documentation "^(///([^/]|$)|/\\*\\*[^*/])"))
((comment) @directive (#match? @directive "^//\\s*(ReSharper|NOSONAR|Stryker|csharpier-ignore)"))
